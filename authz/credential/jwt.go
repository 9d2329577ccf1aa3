package credential

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"privyseal/authz"
	"privyseal/authz/verify"
)

// bearer is the authenticator of one place: the sources that one rule admits
// and that read there, each with an issuer of its own.
type bearer struct {
	place   place
	sources []*jwtSource
}

var (
	_ authz.Authenticator = (*bearer)(nil)
	_ authz.Challenger    = (*bearer)(nil)
)

// jwtSource is one source of tokens.
type jwtSource struct {
	place      place
	forward    bool
	algorithms []string
	keys       KeySet
	reader     reader
	verified   verified
	env        *Env
}

// Authenticate implements [authz.Authenticator].
func (b *bearer) Authenticate(ctx context.Context, r *authz.Request, fx *authz.Effects) (*authz.Identity, error) {
	found, err := b.place.find(r.Headers)
	if err != nil {
		return nil, err
	}
	source, id, err := b.verify(ctx, found.token)
	if err != nil {
		return nil, err
	}
	switch {
	case source.forward:
	case found.cookie != "":
		fx.HideCookie(found.cookie)
	default:
		fx.HideHeader(found.header)
	}
	return id, nil
}

// verify finds the source that owns a token and lets it verify. A token that
// was verified before needs neither parsing nor a signature.
func (b *bearer) verify(ctx context.Context, raw string) (*jwtSource, *authz.Identity, error) {
	if len(raw) > MaxTokenBytes {
		return nil, nil, invalid("the token is too long", fmt.Errorf("token has %d bytes, over %d", len(raw), MaxTokenBytes))
	}
	env := b.sources[0].env
	now, digest := env.Now(), sha256.Sum256([]byte(raw))
	for _, source := range b.sources {
		if id := source.remembered(digest, now); id != nil {
			return source, id, nil
		}
	}
	t, err := parseToken(raw)
	if err != nil {
		return nil, nil, invalid("the credential is not a token that can be read", err)
	}
	issuer, _ := t.claims["iss"].(string)
	if env.OwnIssuer(issuer) || t.kid != "" && env.OwnKey(t.kid) {
		return nil, nil, ownAssertion(issuer, t.kid)
	}
	for _, source := range b.sources {
		if source.reader.issuer == issuer {
			id, err := source.verify(ctx, t, digest, now)
			return source, id, err
		}
	}
	return nil, nil, unknownIssuer(issuer)
}

// ownAssertion refuses what privyseal itself signed: it is addressed to
// applications, and taking it would let each of them act as its callers.
func ownAssertion(issuer, kid string) error {
	return invalid("the token is an assertion of privyseal, which is no credential", fmt.Errorf("iss is %s, kid %s", quote(issuer), quote(kid)))
}

// remembered returns the identity of a token that this source verified, unless
// its key has left the issuer's set since.
func (s *jwtSource) remembered(digest [sha256.Size]byte, now time.Time) *authz.Identity {
	key := s.verified.key(digest)
	entry, ok := s.verified.get(key, now)
	if !ok {
		return nil
	}
	if !s.keys.Contains(entry.keyID) {
		s.verified.forget(key)
		return nil
	}
	return entry.identity
}

// verify checks a token whose iss is the source's. The signature comes last,
// so that what is wrong in any case makes nobody fetch keys.
func (s *jwtSource) verify(ctx context.Context, t *token, digest [sha256.Size]byte, now time.Time) (*authz.Identity, error) {
	if !slices.Contains(s.algorithms, t.alg) {
		return nil, invalid("the token's algorithm is not accepted", fmt.Errorf("source %s: alg is %s", s.reader.source, quote(t.alg)))
	}
	expires, err := s.reader.check(t.claims, now)
	if err != nil {
		return nil, err
	}
	signed, err := s.signature(ctx, t)
	if err != nil {
		return nil, err
	}
	id, err := s.reader.identity(t.claims, expires)
	if err != nil {
		return nil, err
	}
	if signed.KeyID != "" { // else nothing would tell when the key has left the set
		// A decoded element costs its text, a string or interface header, and
		// its share of a map.
		const elementBytes = 64
		s.verified.put(s.verified.key(digest), VerifiedToken{id, signed.KeyID}, len(t.payload)+elementBytes*t.elements, now)
	}
	return id, nil
}

func (s *jwtSource) signature(ctx context.Context, t *token) (verify.Signed, error) {
	signed, err := s.keys.Verify(ctx, t.raw)
	switch {
	case err == nil && !bytes.Equal(signed.Payload, t.payload):
		return signed, fmt.Errorf("source %s: the key set verified another payload than was read", s.reader.source)
	case err == nil:
		return signed, nil
	case ctx.Err() != nil:
		return signed, ctx.Err()
	case errors.Is(err, verify.ErrUnavailable):
		return signed, (&authz.Denial{Reason: authz.SourceUnavailable, Detail: "the keys of the token's issuer are not available"}).
			Because(fmt.Errorf("source %s: %v", s.reader.source, err))
	}
	return signed, invalid("the token's signature does not hold", fmt.Errorf("source %s: kid %s, alg %s: %v", s.reader.source, quote(t.kid), quote(t.alg), err))
}
