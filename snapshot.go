package privyseal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"privyseal/authz"
	"privyseal/authz/credential"
	"privyseal/authz/policy"
	"privyseal/keys"
)

// Bounds of what is kept between requests, in bytes.
const (
	tokenCacheBytes = 32 << 20
	reuseCacheBytes = 16 << 20
)

// snapshot is everything a decision depends on. It is immutable but for its
// count of users, and lets go of what it holds after the last one.
type snapshot struct {
	config     *Config
	policy     *policy.Policy
	authorizer *authz.Authorizer
	keys       *keys.Set // nil: none configured
	tls        listenerTLS
	tokens     tokenCache
	sources    []*sharedKeySet

	users   atomic.Int64 // requests, and one for being current
	closing func()
}

// tokenCache is the cache of verified tokens, and the files of keys it depends
// on.
type tokenCache struct {
	*authz.Cache[credential.VerifiedToken]
	revision [sha256.Size]byte
}

func (s *snapshot) acquire() bool {
	for {
		n := s.users.Load()
		if n == 0 {
			return false
		}
		if s.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *snapshot) release() {
	if s.users.Add(-1) == 0 {
		s.closing()
	}
}

// build makes a snapshot, taking over from the old one what is unchanged. The
// error's paths are those of the configuration.
func (s *Service) build(config *Config, read *files, old *snapshot) (_ *snapshot, err error) {
	next := &snapshot{config: config}
	next.users.Store(1)
	next.closing = func() { s.keySets.release(next.sources) }
	defer func() {
		if err != nil {
			next.release()
		}
	}()
	issuer, err := authz.ParseIssuer(config.Issuer)
	if err != nil {
		return nil, &authz.OptionError{Path: "issuer", Err: err}
	}
	var keysErr, tlsErr, rulesErr, assertionErr error
	next.keys, keysErr = parseKeys(config, read)
	next.tls, tlsErr = loadTLS(config, read)
	next.tokens = tokensFor(config, read, old)
	credentials, identityErr := s.credentials(next, read, issuer)
	if identityErr != nil {
		credentials = &credential.Credentials{} // for the rules' mistakes
	}
	next.policy, rulesErr = policy.Compile(config.Rules, policy.Env{
		Sources: describe(config.Identity), Authenticators: credentials.For, Issuer: issuer, TTL: config.Assertion.TTL,
	})
	next.authorizer, assertionErr = authz.New(authz.Options{
		Policy: next.policy, Signer: s.ring, Issuer: issuer, Assertion: config.Assertion,
		Reuse: authz.NewCache[authz.Signed](reuseCacheBytes), Now: s.options.Now, Rand: s.options.Rand,
	})
	if err := errors.Join(keysErr, tlsErr, prefixed("identity", identityErr), prefixed("rules", rulesErr),
		prefixed("assertion", assertionErr)); err != nil {
		return nil, err
	}
	return next, nil
}

// credentials makes the identity sources. Their key sets outlive the snapshot.
func (s *Service) credentials(next *snapshot, read *files, issuer authz.Issuer) (*credential.Credentials, error) {
	return credential.New(next.config.Identity, credential.Env{
		KeySet: func(source credential.JWT) (credential.KeySet, error) {
			shared, err := s.keySets.get(source, read)
			if err != nil {
				return nil, err
			}
			next.sources = append(next.sources, shared)
			return shared.KeySet, nil
		},
		ReadFile: read.file,
		Cache:    next.tokens.Cache,
		OwnIssuer: func(iss string) bool {
			if !issuer.PerHost() {
				return iss == string(issuer)
			}
			return next.policy != nil && slices.ContainsFunc(next.policy.Hosts(), func(host string) bool { return issuer.For(host) == iss })
		},
		OwnKey:          s.ring.Has,
		AssertionHeader: next.config.Assertion.Header,
		Now:             s.options.Now,
	})
}

// describe says what rules must know of sources. It is also asked about sources
// that are mistaken, so that the rules' mistakes are reported beside theirs.
func describe(sources []credential.Source) []policy.Source {
	list := make([]policy.Source, len(sources))
	for i, source := range sources {
		d := source.Describe()
		list[i] = policy.Source{Name: d.Name, Primary: d.Primary, TrustEmail: d.TrustEmail}
	}
	return list
}

// tokensFor returns the old cache of verified tokens, unless a file of issuer
// keys has changed: a key may have been replaced under its old name.
func tokensFor(config *Config, read *files, old *snapshot) tokenCache {
	h := sha256.New()
	for _, source := range config.Identity {
		if source.JWT != nil && source.JWT.JWKSFile != "" {
			content, _ := read.file(source.JWT.JWKSFile) // a missing file is reported by its source
			fmt.Fprintf(h, "%q %d\n%s", source.JWT.Name, len(content), content)
		}
	}
	var cache tokenCache
	h.Sum(cache.revision[:0])
	if old != nil && old.tokens.revision == cache.revision {
		return old.tokens
	}
	cache.Cache = authz.NewCache[credential.VerifiedToken](tokenCacheBytes)
	return cache
}

// parseKeys reads the configured signing keys; nil if there are none.
func parseKeys(config *Config, read *files) (*keys.Set, error) {
	text, option := []byte(config.SigningKey), "signing_key"
	if config.SigningKeyFile != "" {
		option = "signing_key_file"
		content, err := read.file(config.SigningKeyFile)
		if err != nil {
			return nil, &authz.OptionError{Path: option, Err: err}
		}
		if len(bytes.TrimSpace(content)) == 0 {
			return nil, &authz.OptionError{Path: option, Err: errors.New("the file is empty: write a key with `privyseal keys generate`")}
		}
		text = content
	}
	if len(text) == 0 {
		return nil, nil
	}
	set, err := keys.Parse(text, keys.ParseOptions{AllowSample: config.loopbackOnly()})
	if err != nil {
		return nil, &authz.OptionError{Path: option, Err: err}
	}
	return set, nil
}

// prefixed puts the paths of option errors under a section.
func prefixed(section string, err error) error {
	if err == nil {
		return nil
	}
	var list []error
	for _, e := range unjoin(err) {
		var option interface{ OptionPath() string }
		if !errors.As(e, &option) {
			list = append(list, fmt.Errorf("%s: %w", section, e))
			continue
		}
		path := option.OptionPath()
		if path != "" && path[0] != '[' {
			path = "." + path
		}
		list = append(list, &authz.OptionError{Path: section + path, Err: errors.Unwrap(e)})
	}
	return errors.Join(list...)
}

func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var list []error
		for _, e := range joined.Unwrap() {
			list = append(list, unjoin(e)...)
		}
		return list
	}
	return []error{err}
}
