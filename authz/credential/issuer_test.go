package credential_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/credential"
	"privyseal/authz/verify"
)

// The moment at which all tests take place.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

type claims map[string]any

func (c claims) with(name string, value any) claims {
	c = maps.Clone(c)
	c[name] = value
	return c
}

func (c claims) without(name string) claims {
	c = maps.Clone(c)
	delete(c, name)
	return c
}

// issuer is an identity provider with one key of each kind.
type issuer struct {
	url string
	ec  *ecdsa.PrivateKey
	ed  ed25519.PrivateKey
	rsa *rsa.PrivateKey

	keys    credential.KeySet
	gone    map[string]bool // kids that left the set
	failure error           // what every verification answers
	asked   int             // verifications
}

func newIssuer(t testing.TB, url string) *issuer {
	t.Helper()
	i := &issuer{url: url, gone: map[string]bool{}}
	var err1, err2, err3 error
	i.ec, err1 = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, i.ed, err2 = ed25519.GenerateKey(rand.Reader)
	i.rsa, err3 = rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	static, err := verify.Static(i.jwks(t))
	if err != nil {
		t.Fatal(err)
	}
	i.keys = static
	return i
}

func (i *issuer) jwks(t testing.TB) []byte {
	t.Helper()
	point, err := i.ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"keys": []any{
		map[string]any{"kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "kid": i.kid("ec"), "x": b64(point[1:33]), "y": b64(point[33:])},
		map[string]any{"kty": "OKP", "use": "sig", "alg": "EdDSA", "crv": "Ed25519", "kid": i.kid("ed"), "x": b64(i.ed.Public().(ed25519.PublicKey))},
		map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": i.kid("rsa"), "n": b64(i.rsa.N.Bytes()), "e": b64(big.NewInt(int64(i.rsa.E)).Bytes())},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (i *issuer) kid(key string) string { return i.url + "#" + key }

// Verify and Contains make the issuer a key set that can lose keys and fail.
func (i *issuer) Verify(ctx context.Context, jws string) (verify.Signed, error) {
	i.asked++
	if i.failure != nil {
		return verify.Signed{}, i.failure
	}
	signed, err := i.keys.Verify(ctx, jws)
	if err == nil && i.gone[signed.KeyID] {
		return verify.Signed{}, verify.ErrUnknownKey
	}
	return signed, err
}

func (i *issuer) Contains(kid string) bool { return i.keys.Contains(kid) && !i.gone[kid] }

// claims are those of a token that every source here takes.
func (i *issuer) claims() claims {
	return claims{
		"iss": i.url, "aud": "api", "sub": "248289761001",
		"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

// token signs with the EC key.
func (i *issuer) token(c claims) string {
	return i.sign(map[string]any{"alg": "ES256", "kid": i.kid("ec"), "typ": "JWT"}, mustJSON(c))
}

// sign signs any header and payload with the key that the header's alg asks
// for.
func (i *issuer) sign(header map[string]any, payload []byte) string {
	input := b64(mustJSON(header)) + "." + b64(payload)
	digest := sha256.Sum256([]byte(input))
	var signature []byte
	var err error
	switch header["alg"] {
	case "RS256":
		signature, err = rsa.SignPKCS1v15(rand.Reader, i.rsa, crypto.SHA256, digest[:])
	case "PS256":
		signature, err = rsa.SignPSS(rand.Reader, i.rsa, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "EdDSA":
		signature = ed25519.Sign(i.ed, []byte(input))
	case "HS256": // the public key as secret: the confusion of key kinds
		mac := hmac.New(sha256.New, i.rsa.N.Bytes())
		mac.Write([]byte(input))
		signature = mac.Sum(nil)
	default:
		var r, s *big.Int
		r, s, err = ecdsa.Sign(rand.Reader, i.ec, digest[:])
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	if err != nil {
		panic(err)
	}
	return input + "." + b64(signature)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// env is an environment in which each issuer's URL finds its keys.
func env(issuers ...*issuer) credential.Env {
	return credential.Env{
		KeySet: func(o credential.JWT, _ []byte) (credential.KeySet, error) {
			for _, i := range issuers {
				if i.url == o.Issuer {
					return i, nil
				}
			}
			return nil, fmt.Errorf("no keys for %s", o.Issuer)
		},
		Cache: authz.NewCache[credential.VerifiedToken](1 << 20),
		Now:   func() time.Time { return now },
	}
}

// jwt is the plainest source of an issuer's tokens.
func (i *issuer) jwt(name string) *credential.JWT {
	return &credential.JWT{Name: name, Issuer: i.url, Audiences: []string{"api", "api-v2"}}
}

// only makes the one authenticator of a rule that admits the named sources, by
// default all.
func only(t testing.TB, e credential.Env, sources []credential.Source, names ...string) authz.Authenticator {
	t.Helper()
	c, err := credential.New(sources, e)
	if err != nil {
		t.Fatal(err)
	}
	if names == nil {
		names = c.Names()
	}
	list := c.For(names)
	if len(list) != 1 {
		t.Fatalf("got %d authenticators, want 1", len(list))
	}
	return list[0]
}

func jwtSources(list ...*credential.JWT) []credential.Source {
	sources := make([]credential.Source, len(list))
	for i, o := range list {
		sources[i].JWT = o
	}
	return sources
}

func request(fields ...string) *authz.Request {
	headers := authz.HeaderMap{}
	for i := 0; i < len(fields); i += 2 {
		headers[fields[i]] = append(headers[fields[i]], fields[i+1])
	}
	return &authz.Request{Method: "GET", Host: "orders.example.com", Path: "/", Headers: headers, Facts: authz.NoFacts{}}
}

func withBearer(token string) *authz.Request { return request("authorization", "Bearer "+token) }

// reasonOf names what an authenticator returned.
func reasonOf(id *authz.Identity, err error) authz.Reason {
	var denial *authz.Denial
	switch {
	case errors.As(err, &denial):
		return denial.Reason
	case errors.Is(err, authz.ErrNoCredential):
		return "no credential"
	case err != nil:
		return authz.Reason("error: " + err.Error())
	case id == nil:
		return "nothing"
	}
	return authz.Allowed
}

func authenticate(a authz.Authenticator, r *authz.Request) (*authz.Identity, error) {
	return a.Authenticate(context.Background(), r, &authz.Effects{})
}

func expect(t *testing.T, a authz.Authenticator, r *authz.Request, want authz.Reason) *authz.Identity {
	t.Helper()
	id, err := authenticate(a, r)
	if got := reasonOf(id, err); got != want {
		t.Errorf("got %s (%v: %v), want %s", got, err, errors.Unwrap(err), want)
	}
	return id
}
