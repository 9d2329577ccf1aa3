package credential

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"privyseal/authz"
	"privyseal/authz/verify"
)

// mistakes collects what is wrong with the options below a path.
type mistakes struct {
	path string
	list []error
}

// add notes a mistake at an option relative to the path; nil is none.
func (m *mistakes) add(option string, err error) {
	if err != nil {
		m.list = append(m.list, &authz.OptionError{Path: m.path + option, Err: err})
	}
}

// source checks one entry by itself. Paths continue below the field that is
// set.
func (m *mistakes) source(s Source, env *Env) {
	set := 0
	for _, field := range []bool{s.JWT != nil, s.PeerCertificate != nil, s.EnvoyMetadata != nil} {
		if field {
			set++
		}
	}
	if set != 1 {
		m.add("", errors.New("must hold exactly one of jwt, peer_certificate and envoy_metadata"))
		return
	}
	switch {
	case s.JWT != nil:
		m.path += ".jwt"
		m.jwt(s.JWT, env)
	case s.PeerCertificate != nil:
		m.path += ".peer_certificate"
		m.certificate(s.PeerCertificate)
	case s.EnvoyMetadata != nil:
		m.path += ".envoy_metadata"
		m.metadata(s.EnvoyMetadata, env)
	}
	m.add(".name", validName(s.Describe().Name))
}

func (m *mistakes) jwt(o *JWT, env *Env) {
	m.claims(o.Issuer, o.Audiences, o.ClaimPaths, o.Email, env)
	if o.JWKSURL != "" {
		m.add(".jwks_url", verify.ValidURL(o.JWKSURL, false))
		if o.JWKSFile != "" {
			m.add(".jwks_file", errors.New("cannot be set together with jwks_url: keep one of them"))
		}
	}
	if o.Header != "" {
		m.add(".header", validHeader(o.Header, env.AssertionHeader))
	}
	if o.Cookie != "" {
		m.add(".cookie", validCookie(o.Cookie))
	}
	for i, name := range o.Algorithms {
		m.add(fmt.Sprintf(".algorithms[%d]", i), verify.ValidAlgorithm(name))
	}
}

func (m *mistakes) certificate(o *PeerCertificate) {
	if len(o.TrustDomains) == 0 {
		m.add(".trust_domains", errors.New("is required: name the trust domains whose workloads may call, such as td.example"))
	}
	for i, domain := range o.TrustDomains {
		m.add(fmt.Sprintf(".trust_domains[%d]", i), validTrustDomain(domain))
	}
	if (o.CAFile == "") != o.EnvoyVerifies {
		m.add("", errors.New("must hold exactly one of ca_file and envoy_verifies: true: name the CAs that issue client certificates, or say that every listener verifies them"))
	}
}

func (m *mistakes) metadata(o *EnvoyMetadata, env *Env) {
	m.claims(o.Issuer, o.Audiences, o.ClaimPaths, o.Email, env)
	if o.Key == "" {
		m.add(".key", errors.New("is required: the name that the filter files the claims under, such as jwt_authn's payload_in_metadata"))
	}
}

// claims checks the options of sources that read claims.
func (m *mistakes) claims(issuer string, audiences []string, paths map[string]string, email string, env *Env) {
	switch err := validIssuer(issuer); {
	case err != nil:
		m.add(".issuer", err)
	case env.OwnIssuer(issuer):
		m.add(".issuer", errors.New("is privyseal's own issuer: its assertions are for applications and are no credential"))
	}
	if len(audiences) == 0 {
		m.add(".audiences", errors.New("is required: a token made for another service must not be taken here"))
	}
	for i, audience := range audiences {
		if audience == "" {
			m.add(fmt.Sprintf(".audiences[%d]", i), errors.New("is empty"))
		}
	}
	for _, claim := range slices.Sorted(maps.Keys(paths)) {
		m.add(".claim_paths."+claim, validClaimPath(claim, paths[claim]))
	}
	if email != "" && email != "trusted" {
		m.add(".email", errors.New(`is neither "" nor "trusted"`))
	}
}

// besides checks an entry against the earlier ones.
func (m *mistakes) besides(s Source, earlier []Source) {
	self := s.Describe()
	for _, other := range earlier {
		known := other.Describe()
		if self.Name != "" && self.Name == known.Name {
			m.add(".name", fmt.Errorf("%s is the name of an earlier source: rules could not tell them apart", quote(self.Name)))
		}
		if self.Primary && known.Primary {
			m.add(".primary", fmt.Errorf("source %s is primary already: subjects of two would be mixed", known.Name))
		}
		other = other.defaulted()
		switch {
		case s.JWT != nil && other.JWT != nil:
			m.samePlace(s.JWT, other.JWT)
		case s.PeerCertificate != nil && other.PeerCertificate != nil:
			m.sameDomain(s.PeerCertificate, other.PeerCertificate)
		case s.EnvoyMetadata != nil && other.EnvoyMetadata != nil:
			m.sameShelf(s.EnvoyMetadata, other.EnvoyMetadata)
		}
	}
}

// samePlace checks two JWT sources: they read the same header and cookie, and
// then have different issuers, or they share neither. The place and the iss of
// a token then name one source.
func (m *mistakes) samePlace(o, other *JWT) {
	header := o.Header != "" && o.Header == other.Header
	cookie := o.Cookie != "" && o.Cookie == other.Cookie
	switch {
	case !header && !cookie:
	case o.Header != other.Header:
		m.add(".header", fmt.Errorf("must be that of source %s, %q, because both read cookie %s", other.Name, other.Header, o.Cookie))
	case o.Cookie != other.Cookie:
		m.add(".cookie", fmt.Errorf("must be that of source %s, %q, because both read header %s", other.Name, other.Cookie, o.Header))
	case o.Issuer == other.Issuer:
		m.add(".issuer", fmt.Errorf("is that of source %s, which reads the same place: join their audiences in one source", other.Name))
	}
}

// sameDomain checks two sources of certificates: each trust domain is that of
// one source.
func (m *mistakes) sameDomain(o, other *PeerCertificate) {
	for i, domain := range o.TrustDomains {
		if slices.Contains(other.TrustDomains, domain) {
			m.add(fmt.Sprintf(".trust_domains[%d]", i), fmt.Errorf("is one of source %s: a certificate must belong to one source", other.Name))
		}
	}
}

// sameShelf checks two sources of metadata: the place and the iss of claims
// name one source.
func (m *mistakes) sameShelf(o, other *EnvoyMetadata) {
	if o.Namespace == other.Namespace && o.Key == other.Key && o.Issuer == other.Issuer {
		m.add(".issuer", fmt.Errorf("is that of source %s, which reads the same key: join their audiences in one source", other.Name))
	}
}

func validName(name string) error {
	for i := 0; i < len(name); i++ {
		if c := name[i]; !lowerAlphanumeric(c) && (c != '-' || i == 0) {
			return errors.New("is not a name: a letter or digit, then letters, digits and '-', in lower case")
		}
	}
	if name == "" || len(name) > 32 {
		return errors.New("is not between 1 and 32 bytes long")
	}
	return nil
}

func lowerAlphanumeric(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func validIssuer(issuer string) error {
	if issuer == "" {
		return errors.New("is required: the exact iss of the tokens")
	}
	if strings.ContainsAny(issuer, "?#") {
		return errors.New("has a query or fragment, which no issuer has (RFC 8414 section 2)")
	}
	return verify.ValidURL(issuer, false)
}

// validHeader accepts any header but those that frame a request or hold other
// things, and ours in any spelling with '-' and '_': applications may read one
// as the other.
func validHeader(name, assertion string) error {
	switch dashed := strings.ReplaceAll(name, "_", "-"); {
	case !isToken(name) || len(name) > 64:
		return errors.New("is not a header name")
	case name != strings.ToLower(name):
		return errors.New("is not lower case")
	case dashed == strings.ReplaceAll(assertion, "_", "-"):
		return errors.New("is the header of the assertion, which is ours to set: a client could send back what it was told")
	case slices.Contains([]string{"cookie", "host", "connection", "transfer-encoding", "content-length", "te", "upgrade"}, dashed):
		return errors.New("is not a header that holds a token; for cookies there is the option cookie")
	}
	return nil
}

func validCookie(name string) error {
	switch {
	case !isToken(name) || len(name) > 64:
		return errors.New("is not a cookie name")
	case strings.HasPrefix(name, authz.CookiePrefix):
		return errors.New("begins with " + authz.CookiePrefix + ", as privyseal's own cookies do")
	}
	return nil
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func validClaimPath(claim, path string) error {
	if !slices.Contains([]string{"groups", "email", "name", "subject", "session"}, claim) {
		return errors.New("is not one of groups, email, name, subject and session")
	}
	if path == "" || len(path) > 256 || slices.Contains(strings.Split(path, "."), "") {
		return errors.New("is not a claim's name or names joined by single dots")
	}
	return nil
}
