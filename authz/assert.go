package authz

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"
)

// signed is an assertion.
type signed struct {
	jws, kid, jti string
	expires       time.Time
}

// granted is what the record says of the assertion, if the grant is given.
type granted struct {
	signed
	audience      string
	groupsDropped int
}

// reuseCacheBytes bounds the assertions that are kept to be used again.
const reuseCacheBytes = 16 << 20

// assert makes the assertion and the grant that carries it.
func (c *check) assert(ctx context.Context) error {
	content, err := c.claims()
	if err != nil {
		return err
	}
	c.granted.audience = content.audience
	if err := c.sized(ctx, content); err != nil {
		return err
	}
	set, err := c.fields(content)
	if err != nil {
		return err
	}
	c.decision.Record.Reason = Allowed
	c.decision.grant = c.owned.grant(c.request, &c.decision.fx, set)
	return nil
}

// claims collects what the assertion says.
func (c *check) claims() (*claims, error) {
	if c.identity.GroupsUnknown {
		return nil, &Denial{Reason: GroupsUnknown, Detail: "the assertion would have to name all groups"}
	}
	audience, err := c.audience()
	if err != nil {
		return nil, err
	}
	subject, err := subjectOf(c.rule, c.identity)
	if err != nil {
		return nil, err
	}
	bound, err := c.bind()
	if err != nil {
		return nil, err
	}
	return &claims{
		issuer: c.issuer.For(c.request.Host), audience: audience, subject: subject,
		groups: c.assertion.filterGroups(c.identity.Groups), identity: c.identity, extra: c.extra.Claims, bound: bound,
	}, nil
}

func (c *check) audience() (string, error) {
	switch {
	case c.rule.Audience != "":
		return c.rule.Audience, nil
	case c.rule.AudienceFrom == AudienceHost:
		return c.request.Host, nil
	}
	if audience := c.request.Facts.Extension("audience"); audience != "" {
		return audience, nil
	}
	return "", &Denial{Reason: NoAudience, Detail: `the route has no context extension "audience"`}
}

// sized signs, and does what the options say when the result is too large.
func (c *check) sized(ctx context.Context, content *claims) (err error) {
	if c.granted.signed, err = c.sign(ctx, content); err != nil {
		return err
	}
	size := len(c.granted.jws)
	if size > c.assertion.MaxBytes && c.assertion.OnOverflow == "drop_groups" && len(content.groups) > 0 {
		c.granted.groupsDropped = len(content.groups)
		content.groups, content.overage = nil, true
		if c.granted.signed, err = c.sign(ctx, content); err != nil {
			return err
		}
		size = len(c.granted.jws)
	}
	if size > c.assertion.MaxBytes {
		return &Denial{Reason: AssertionTooLarge, Detail: fmt.Sprintf("the assertion would be %d bytes, over max_bytes %d", size, c.assertion.MaxBytes)}
	}
	return nil
}

// sign writes the claims and signs them, or finds the same signed already.
func (c *check) sign(ctx context.Context, content *claims) (made signed, err error) {
	started := c.now()
	defer func() { c.decision.Record.Signing += c.now().Sub(started) }()
	if expires := c.identity.Expires; !expires.IsZero() && !started.Before(expires) {
		return signed{}, &Denial{Reason: ExpiredCredential} // while it was authenticated and judged
	}
	payload, err := content.appendTo(c.payload[:0], &c.assertion)
	c.payload = payload
	if err != nil {
		return signed{}, (&Denial{Reason: UnsafeClaim}).Because(err)
	}
	key, reusable := c.reuseKey(payload)
	if !reusable {
		return c.signed(ctx, payload, started)
	}
	kid := c.signer.KeyID()
	assertions := c.reuse.by(kid)
	if made, ok := assertions.Get(key, started); ok {
		return made, nil
	}
	return c.reuse.once(ctx, key, func() (signed, error) {
		made, err := c.signed(ctx, payload, started)
		if err == nil && made.kid == kid { // else the key changed meanwhile
			assertions.Put(key, made, len(made.jws)+len(made.kid)+len(made.jti), c.reusableUntil(made, started))
		}
		return made, err
	})
}

// signed completes the claims with those of the moment and signs them.
func (c *check) signed(ctx context.Context, payload []byte, now time.Time) (signed, error) {
	made := signed{jti: c.decision.Record.ID, expires: now.Add(c.rule.TTL).Truncate(time.Second)}
	if expires := c.identity.Expires; !expires.IsZero() && expires.Before(made.expires) {
		made.expires = expires
	}
	payload = appendMoment(payload, now.Add(-backdate), made.expires, made.jti)
	c.payload = payload
	var err error
	if made.jws, made.kid, err = c.signer.Sign(ctx, payload); err == nil && (made.jws == "" || made.kid == "") {
		err = errors.New("signer returned nothing")
	}
	if err != nil {
		return signed{}, (&Denial{Reason: SigningFailed}).Because(err)
	}
	return made, nil
}

// reuseKey names an assertion, if requests may share it: they may if the options
// say so and the identity is sealed.
func (c *check) reuseKey(payload []byte) (key [sha256.Size]byte, ok bool) {
	if c.reuse == nil || c.rule.Bind != 0 { // what is bound is good for one request
		return key, false
	}
	return assertionKey(payload, c, c.signer.KeyID()), c.identity.Digest != [sha256.Size]byte{}
}

// fields are the request headers that carry the assertion and single claims.
func (c *check) fields(content *claims) ([]Field, error) {
	set := make([]Field, 1, 1+len(c.headers)+len(c.rule.ClaimHeaders))
	set[0] = Field{c.assertion.Header, c.granted.jws}
	var err error
	for _, header := range c.headers {
		if slices.ContainsFunc(c.rule.ClaimHeaders, func(own ClaimHeader) bool { return own.Header == header }) {
			continue
		}
		if set, err = c.field(set, content, header, c.assertion.ClaimHeaders[header]); err != nil {
			return nil, err
		}
	}
	for _, own := range c.rule.ClaimHeaders {
		if !slices.Contains(c.owned.names, folded(own.Header)) {
			return nil, fmt.Errorf("rule %s sets header %s, which its policy does not own", c.rule.Name, own.Header)
		}
		if set, err = c.field(set, content, own.Header, own.Claim); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// field adds one claim header, if the identity has the claim.
func (c *check) field(set []Field, content *claims, header, claim string) ([]Field, error) {
	value, ok, err := content.header(claim)
	if err == nil && len(value) > c.assertion.MaxBytes {
		err = fmt.Errorf("is over max_bytes %d", c.assertion.MaxBytes)
	}
	if err != nil {
		return nil, &Denial{Reason: UnsafeClaim, Detail: "claim header " + header + " " + err.Error()}
	}
	if ok {
		set = append(set, Field{header, value})
	}
	return set, nil
}
