package privyseal

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"

	"privyseal/authz"
	"privyseal/authz/credential"
	"privyseal/authz/login"
	"privyseal/authz/policy"
	"privyseal/keys"
)

// tokenCacheBytes bounds the cache of verified credentials.
const tokenCacheBytes = 32 << 20

// snapshot is everything a decision depends on. It is immutable but for its
// count of users, and lets go of what it holds after the last one.
type snapshot struct {
	config     *Config
	policy     *policy.Policy
	authorizer *authz.Authorizer
	keys       *keys.Set    // nil: none configured
	keyring    keyringParts // if config.Keys says so
	tls        listenerTLS
	issuers    []issuerKeys
	logins     *login.Logins   // nil until they are made
	own        map[string]bool // what iss may be of our own assertions

	users   atomic.Int64 // requests, and one for being current
	closing func()
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

// build makes a snapshot. The error's paths are those of the configuration.
func (s *Service) build(config *Config, read *files) (_ *snapshot, err error) {
	next := &snapshot{config: config}
	next.users.Store(1)
	next.closing = func() {
		s.keySets.release(next.issuers)
		if next.logins != nil {
			next.logins.Close()
		}
	}
	defer func() {
		if err != nil {
			next.release()
		}
	}()
	issuer, err := authz.ParseIssuer(config.Issuer)
	if err != nil {
		return nil, option("issuer", err)
	}
	var keysErr, tlsErr, rulesErr, assertionErr error
	next.tls, tlsErr = loadTLS(config, read)
	sources, identityErr := s.identities(next, read)
	if identityErr != nil {
		sources = identities{} // for the rules' mistakes
	}
	env := rulesEnv(config, issuer, s.options.Now)
	env.Authenticators = sources.For
	next.policy, rulesErr = policy.Compile(config.Rules, env)
	if config.Keys != nil {
		longest := config.Assertion.TTL
		if rulesErr == nil {
			longest = max(longest, next.policy.MaxTTL())
		}
		next.keyring, keysErr = s.keyring(config.Keys, longest, read)
	} else {
		next.keys, keysErr = parseKeys(config, read)
	}
	next.authorizer, assertionErr = authz.New(authz.Options{
		Policy: next.policy, Signer: s.ring, Issuer: issuer, Assertion: config.Assertion, Endpoints: sources.endpoints(),
		Now: s.options.Now, Rand: s.options.Rand,
	})
	if err := errors.Join(keysErr, tlsErr,
		option("identity", identityErr), option("rules", rulesErr), option("assertion", assertionErr)); err != nil {
		return nil, err
	}
	next.own = ownIssuers(issuer, next.policy.Hosts())
	if err := foreign(config.Identity, next.own); err != nil {
		return nil, err
	}
	return next, nil
}

// credentials makes the sources of credentials. Their key sets outlive the
// snapshot.
func (s *Service) credentials(next *snapshot, sources []credential.Source, read *files) (*credential.Credentials, error) {
	return credential.New(sources, credential.Env{
		KeySet: func(source credential.JWT, file []byte) (credential.KeySet, error) {
			shared, err := s.keySets.get(source, file)
			if err != nil {
				return nil, err
			}
			next.issuers = append(next.issuers, issuerKeys{source.Name, shared})
			return shared.KeySet, nil
		},
		ReadFile:        read.file,
		Cache:           s.tokens,
		OwnIssuer:       func(iss string) bool { return next.own[iss] }, // filled before the first request
		OwnKey:          s.ring.Has,
		AssertionHeader: next.config.Assertion.Header,
		Now:             s.options.Now,
	})
}

func describe(sources []IdentitySource) []policy.Source {
	list := make([]policy.Source, len(sources))
	for i, source := range sources {
		list[i] = source.describe()
	}
	return list
}

// ownIssuers are the values of iss in our own assertions. Nobody else is
// believed who claims one of them.
func ownIssuers(issuer authz.Issuer, hosts []string) map[string]bool {
	if !issuer.PerHost() {
		return map[string]bool{string(issuer): true}
	}
	own := map[string]bool{}
	for _, host := range hosts {
		own[issuer.For(host)] = true
	}
	return own
}

// foreign refuses sources whose issuer is ourselves.
func foreign(sources []IdentitySource, own map[string]bool) error {
	var errs []error
	for i, source := range sources {
		if source.Login != nil && own[source.Login.Issuer] {
			errs = append(errs, option(fmt.Sprintf("identity[%d].login.issuer", i), errOwnIssuer))
		}
		if source.JWT != nil && own[source.JWT.Issuer] {
			errs = append(errs, option(fmt.Sprintf("identity[%d].jwt.issuer", i), errOwnIssuer))
		}
		if source.EnvoyMetadata != nil && own[source.EnvoyMetadata.Issuer] {
			errs = append(errs, option(fmt.Sprintf("identity[%d].envoy_metadata.issuer", i), errOwnIssuer))
		}
	}
	return errors.Join(errs...)
}

var errOwnIssuer = errors.New("is the issuer of our own assertions: they are addressed to applications and no credential")

// parseKeys reads the configured signing keys; nil if there are none.
func parseKeys(config *Config, read *files) (*keys.Set, error) {
	text, name := []byte(config.SigningKey), "signing_key"
	if config.SigningKeyFile != "" {
		name = "signing_key_file"
		content, err := read.file(config.SigningKeyFile)
		if err != nil {
			return nil, option(name, err)
		}
		if len(bytes.TrimSpace(content)) == 0 {
			return nil, option(name, errors.New("the file is empty: write a key with `privyseal keys generate`"))
		}
		text = content
	}
	if len(text) == 0 {
		return nil, nil
	}
	set, err := keys.Parse(text, keys.ParseOptions{AllowSample: config.loopbackOnly()})
	if err != nil {
		return nil, option(name, err)
	}
	return set, nil
}
