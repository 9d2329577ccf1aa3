package credential

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"privyseal/authz"
	"privyseal/authz/verify"
)

// Env is what sources need of the service around them.
type Env struct {
	// KeySet returns the keys of a source's issuer, by its JWKSURL, discovery,
	// or the content of its JWKSFile. Required where there is a JWT source. Its
	// error is reported at the option that names the keys.
	KeySet func(source JWT, file []byte) (KeySet, error)
	// ReadFile reads a file named by an option. Required where there is one.
	ReadFile func(name string) ([]byte, error)
	// Cache keeps verified credentials. It may outlive the sources: entries
	// are found only by sources with the same options and files. Nil: nothing
	// is kept.
	Cache *authz.Cache[VerifiedToken]
	// OwnIssuer and OwnKey report whether an iss or a kid is privyseal's. Its
	// assertions are addressed to applications: none is taken as a credential.
	// OwnIssuer is also asked by New. Nil: no.
	OwnIssuer func(iss string) bool
	OwnKey    func(kid string) bool
	// AssertionHeader is the header that we set, from which no source may
	// read. Default [authz.DefaultHeader].
	AssertionHeader string
	Now             func() time.Time // default time.Now
}

// KeySet is the keys of one issuer; *[verify.KeySet] is one. It is safe for
// concurrent use.
type KeySet interface {
	// Verify checks the form and the signature of a compact JWS and says
	// nothing about its claims. [verify.ErrUnavailable] is that keys could not
	// be had; any other error that the JWS is wrong. Errors hold nothing of it
	// but names and kid.
	Verify(ctx context.Context, jws string) (verify.Signed, error)
	// Contains reports whether the set in use has a key, without waiting.
	Contains(kid string) bool
}

// Credentials are the configured sources. They are immutable and safe for
// concurrent use.
type Credentials struct {
	sources []source
}

// source is a configured source of one kind: one of the pointers is set.
type source struct {
	Description
	jwt         *jwtSource
	certificate *certificateSource
	metadata    *metadataSource
}

// place is where the source finds its credentials; sources that find them in
// the same place are comparable by it.
func (s *source) place() any {
	switch {
	case s.jwt != nil:
		return s.jwt.place
	case s.metadata != nil:
		return s.metadata.shelf
	}
	return "connection"
}

// New makes the sources of a configuration. All mistakes are returned at once,
// as [authz.OptionError] values joined, with paths such as "[1].jwt.issuer".
func New(sources []Source, env Env) (*Credentials, error) {
	env = env.withDefaults()
	var (
		c     Credentials
		wrong []error
	)
	for i, options := range sources {
		options = options.defaulted()
		m := mistakes{path: fmt.Sprintf("[%d]", i)}
		m.source(options, &env)
		m.besides(options, sources[:i])
		s := source{Description: options.Describe()}
		if m.list == nil {
			m.build(&s, options, &env)
		}
		c.sources = append(c.sources, s)
		wrong = append(wrong, m.list...)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return &c, nil
}

// Names returns the names of all sources in the order of the configuration:
// what a rule admits by default.
func (c *Credentials) Names() []string {
	names := make([]string, len(c.sources))
	for i, s := range c.sources {
		names[i] = s.Name
	}
	return names
}

// Sources describes all sources in the order of the configuration.
func (c *Credentials) Sources() []Description {
	list := make([]Description, len(c.sources))
	for i, s := range c.sources {
		list[i] = s.Description
	}
	return list
}

// For returns the authenticators of a rule that admits the named sources, in
// that order. Sources that read the same place (header and cookie, client
// certificate, metadata key) are one authenticator at the position of the
// first, which knows no issuer but theirs. A name that is not configured has no
// authenticator.
func (c *Credentials) For(names []string) []authz.Authenticator {
	var groups [][]*source
	for _, name := range names {
		i := slices.IndexFunc(c.sources, func(s source) bool { return s.Name == name })
		if i < 0 {
			continue
		}
		s := &c.sources[i]
		g := slices.IndexFunc(groups, func(group []*source) bool { return group[0].place() == s.place() })
		if g < 0 {
			groups = append(groups, []*source{s})
			continue
		}
		groups[g] = append(groups[g], s)
	}
	list := make([]authz.Authenticator, len(groups))
	for i, group := range groups {
		list[i] = joined(group)
	}
	return list
}

// joined makes one authenticator of sources that read the same place.
func joined(group []*source) authz.Authenticator {
	var (
		tokens bearer
		certs  peer
		filed  metadata
	)
	for _, s := range group {
		switch {
		case s.jwt != nil:
			tokens.place, tokens.sources = s.jwt.place, append(tokens.sources, s.jwt)
		case s.certificate != nil:
			certs.sources = append(certs.sources, s.certificate)
		default:
			filed.shelf, filed.sources = s.metadata.shelf, append(filed.sources, s.metadata)
		}
	}
	switch {
	case tokens.sources != nil:
		return &tokens
	case certs.sources != nil:
		return &certs
	}
	return &filed
}

func (e Env) withDefaults() Env {
	none := func(string) bool { return false }
	if e.OwnIssuer == nil {
		e.OwnIssuer = none
	}
	if e.OwnKey == nil {
		e.OwnKey = none
	}
	if e.AssertionHeader == "" {
		e.AssertionHeader = authz.DefaultHeader
	}
	if e.Now == nil {
		e.Now = time.Now
	}
	return e
}
