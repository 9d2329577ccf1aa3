package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// DefaultHeader carries the assertion unless privyseal is configured otherwise.
const DefaultHeader = "x-pomerium-jwt-assertion"

const (
	defaultMaxBytes    = 16 << 10
	defaultLeeway      = time.Minute
	maxLeeway          = 5 * time.Minute
	defaultMaxLifetime = 11 * time.Minute
)

// Config says which assertions an application accepts.
type Config struct {
	// Issuer is the only iss accepted, character by character. Required.
	Issuer string `yaml:"issuer"`
	// Audience is the only aud accepted: what the rule for this application
	// says in privyseal's configuration. Required.
	Audience string `yaml:"audience"`
	// Keys verify the signature. Required. The caller closes them.
	Keys *KeySet `yaml:"-"`
	// Header carries the assertion. Default [DefaultHeader].
	Header string `yaml:"header"`
	// Leeway is how far the clocks may differ: it is granted to iat, nbf and
	// exp. Up to 5m. Default 60s.
	Leeway time.Duration `yaml:"leeway"`
	// MaxLifetime is the longest time from iat to exp accepted. Default 11m,
	// above the longest that privyseal makes.
	MaxLifetime time.Duration `yaml:"max_lifetime"`
	// MaxBytes is the longest assertion accepted, up to 65536. Default 16384.
	MaxBytes int `yaml:"max_bytes"`
	// Bind lists what an assertion must be bound to: any of method, host, path,
	// query and certificate, as bind in the rule does. What an assertion is
	// bound to beyond that is checked as well. Default: nothing is demanded.
	Bind []string `yaml:"bind"`
	// Confirm returns the thumbprint (x5t#S256) of the client certificate that a
	// request was made with, from a source that the caller cannot write;
	// [PeerCertificate] is one. ok is false when there is none. Default: an
	// assertion that is bound to a certificate is refused.
	Confirm func(*http.Request) (thumbprint string, ok bool) `yaml:"-"`
	// Refuse answers a request whose assertion is not accepted, and is the
	// place to log why. Default: a plain 503 if the error is [ErrUnavailable],
	// else a plain 401, neither of which says why.
	Refuse func(w http.ResponseWriter, r *http.Request, err error) `yaml:"-"`
	// Now tells the time. Default time.Now.
	Now func() time.Time `yaml:"-"`
}

// Verifier accepts the assertions of one issuer for one audience.
type Verifier struct{ c Config }

// New returns a verifier, or all that is wrong with the configuration.
func New(c Config) (*Verifier, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Verifier{c}, nil
}

func (c Config) withDefaults() Config {
	if c.Header == "" {
		c.Header = DefaultHeader
	}
	c.Header = strings.ToLower(c.Header)
	c.Bind = slices.Clone(c.Bind)
	if c.Leeway == 0 {
		c.Leeway = defaultLeeway
	}
	if c.MaxLifetime == 0 {
		c.MaxLifetime = defaultMaxLifetime
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	if c.Refuse == nil {
		c.Refuse = refuse
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	wrong := func(path, text string) { errs = append(errs, &optionError{path, errors.New(text)}) }
	if c.Issuer == "" {
		wrong("issuer", "is required: the iss that privyseal is configured to write")
	}
	if c.Audience == "" {
		wrong("audience", "is required: without it, an assertion for any application would be accepted")
	}
	if c.Keys == nil {
		wrong("keys", "are required: use Remote, Discover or Static")
	}
	if c.Leeway < 0 || c.Leeway > maxLeeway {
		wrong("leeway", fmt.Sprintf("is not between 0s and %v", maxLeeway))
	}
	if c.MaxLifetime < 0 {
		wrong("max_lifetime", "is negative")
	}
	if c.MaxBytes < 0 || c.MaxBytes > maxTokenBytes {
		wrong("max_bytes", fmt.Sprintf("is not between 1 and %d", maxTokenBytes))
	}
	for i, part := range c.Bind {
		switch {
		case part != certificate && !slices.Contains(requestParts(), part):
			wrong(fmt.Sprintf("bind[%d]", i), "is none of "+strings.Join(requestParts(), ", ")+", "+certificate)
		case part == certificate && c.Confirm == nil:
			wrong(fmt.Sprintf("bind[%d]", i), "needs Confirm, which says what certificate a request was made with")
		}
	}
	return errors.Join(errs...)
}

// Verify returns the assertion if it is signed by a key of the set and made for
// this audience, by this issuer, now. The error is one of this package's; see
// [ErrUnavailable] for the one that is not the caller's fault.
//
// An assertion that is bound to its request is good for that request alone:
// pass the one that carried it, as the server received it. nil will do where no
// assertion is bound. One that is bound to another request or certificate, or to
// less than [Config.Bind] demands, is [ErrBinding].
func (v *Verifier) Verify(ctx context.Context, jws string, r *http.Request) (*Assertion, error) {
	if len(jws) > v.c.MaxBytes {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, v.c.MaxBytes)
	}
	signed, err := v.c.Keys.Verify(ctx, jws)
	if err != nil {
		return nil, err
	}
	if !isJWT(signed.Type) || signed.KeyID == "" {
		return nil, fmt.Errorf("%w: an assertion has typ JWT and a kid", ErrMalformed)
	}
	a, err := parseAssertion(signed.Payload, expected{
		issuer:      v.c.Issuer,
		audience:    v.c.Audience,
		now:         v.c.Now(),
		leeway:      v.c.Leeway,
		maxLifetime: v.c.MaxLifetime,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrClaims, err)
	}
	if err := v.c.checkBinding(a.Claims, r); err != nil {
		return nil, err
	}
	a.KeyID = signed.KeyID
	return a, nil
}
