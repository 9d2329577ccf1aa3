package privyseal

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"privyseal/authz"
	"privyseal/authz/credential"
	"privyseal/authz/login"
	"privyseal/authz/policy"
	"privyseal/authz/verify"
)

// IdentitySource is one entry of identity: exactly one of its keys is set.
type IdentitySource struct {
	credential.Source
	// Login is a provider where people with a browser log in. The source of an
	// identity is their session.
	Login *login.Source `yaml:"login"`
}

// describe says what rules must know of a source. It is also asked about sources
// that are mistaken, so that the rules' mistakes are reported beside theirs.
func (s IdentitySource) describe() policy.Source {
	if s.Login != nil {
		return policy.Source{Name: s.Login.Name, Primary: s.Login.Primary, TrustEmail: s.Login.Email == "trusted"}
	}
	d := s.Describe()
	return policy.Source{Name: d.Name, Primary: d.Primary, TrustEmail: d.TrustEmail}
}

// identities are the sources of a snapshot.
type identities struct {
	*credential.Credentials
	logins *login.Logins
}

// identities makes the identity sources. What is known of issuers outlives the
// snapshot.
func (s *Service) identities(next *snapshot, read *files) (identities, error) {
	var (
		credentials  []credential.Source
		logins       []login.Source
		first, other []int // where they are in the configuration
	)
	for i, source := range next.config.Identity {
		if source.Login != nil {
			logins, other = append(logins, *source.Login), append(other, i)
			continue
		}
		credentials, first = append(credentials, source.Source), append(first, i)
	}
	found := identities{}
	var credentialErr, loginErr error
	found.Credentials, credentialErr = s.credentials(next, credentials, read)
	found.logins, loginErr = login.New(logins, s.logins)
	next.logins = found.logins
	return found, errors.Join(moved(credentialErr, first, ""), moved(loginErr, other, ".login"), distinct(next.config.Identity))
}

// moved gives mistakes the places that their entries have in the whole list, and
// the key that they are below.
func moved(err error, places []int, key string) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var list []error
	for _, e := range joined.Unwrap() {
		var i int
		wrong, ok := e.(*authz.OptionError)
		if !ok {
			list = append(list, e)
			continue
		}
		if _, err := fmt.Sscanf(wrong.Path, "[%d]", &i); err == nil && i < len(places) {
			_, rest, _ := strings.Cut(wrong.Path, "]")
			e = &authz.OptionError{Path: fmt.Sprintf("[%d]%s%s", places[i], key, rest), Err: wrong.Err}
		}
		list = append(list, e)
	}
	return errors.Join(list...)
}

// distinct refuses what sources of different kinds may not share; those of one
// kind are compared where they are made.
func distinct(sources []IdentitySource) error {
	var wrong []error
	for i, source := range sources {
		self := source.describe()
		for _, earlier := range sources[:i] {
			known := earlier.describe()
			if (source.Login == nil) == (earlier.Login == nil) {
				continue
			}
			if self.Name != "" && self.Name == known.Name {
				wrong = append(wrong, option(fmt.Sprintf("[%d]", i), fmt.Errorf("%q is the name of an earlier source: rules could not tell them apart", self.Name)))
			}
			if self.Primary && known.Primary {
				wrong = append(wrong, option(fmt.Sprintf("[%d]", i), fmt.Errorf("source %s is primary already: subjects of two would be mixed", known.Name)))
			}
		}
	}
	return errors.Join(wrong...)
}

// For returns the authenticators of a rule that admits the named sources, in
// that order. The logins of a rule are one, in the place of the first.
func (s identities) For(names []string) []authz.Authenticator {
	if s.Credentials == nil {
		return nil // mistaken
	}
	list := s.Credentials.For(names)
	offered := s.logins.For(names)
	if offered == nil {
		return list
	}
	at := slices.IndexFunc(names, func(name string) bool { return s.logins.For([]string{name}) != nil })
	return slices.Insert(list, len(s.Credentials.For(names[:at])), offered)
}

// endpoints are the paths of our own that the sources answer.
func (s identities) endpoints() map[string]authz.Endpoint {
	if s.logins == nil {
		return nil
	}
	return s.logins.Endpoints()
}

// issuerKeySets are the keys of a snapshot's sources, by the source's name.
func (snap *snapshot) issuerKeySets() iter.Seq2[string, *verify.KeySet] {
	return func(yield func(string, *verify.KeySet) bool) {
		for _, keys := range snap.issuers {
			if !yield(keys.source, keys.KeySet) {
				return
			}
		}
		for _, source := range snap.config.Identity {
			if source.Login == nil {
				continue
			}
			if keys := snap.logins.KeySet(source.Login.Name); keys != nil && !yield(source.Login.Name, keys) {
				return
			}
		}
	}
}
