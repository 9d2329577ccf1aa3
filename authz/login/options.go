package login

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"privyseal/authz"
	"privyseal/authz/verify"
)

// Source is one provider where people log in.
type Source struct {
	// Name is what rules call the source: 1 to 32 of a-z, 0-9 and '-', unique
	// among all sources, not beginning with '-'.
	Name string `yaml:"name"`
	// Issuer is the provider's exact issuer: an https URL; http on loopback. Its
	// discovery document says everything else.
	Issuer string `yaml:"issuer"`
	// ClientID is what the provider calls this service.
	ClientID string `yaml:"client_id"`
	// ClientSecret proves to the provider that it is this service. Default: none,
	// a public client, which PKCE alone protects.
	ClientSecret string `yaml:"client_secret" json:"-" secret:"true"`
	// Scopes to ask for; openid must be among them. Default openid, email and
	// profile. Many providers give refresh tokens only for offline_access.
	Scopes []string `yaml:"scopes"`
	// CookieSecrets are random texts of at least 32 bytes that the keys of
	// cookies are derived from: the first seals, all open. Every replica has the
	// same; a new one is first added at the end, everywhere, and then moved to the front.
	CookieSecrets []string `yaml:"cookie_secrets" json:"-" secret:"true"`
	// Hosts on which this provider is offered: names, or "*." and a name for all
	// below it. Default: every host whose rule admits the source.
	Hosts []string `yaml:"hosts"`
	// RedirectPath is where the provider sends the browser back:
	// /.privyseal/callback, or a name below it. Providers that do not name
	// themselves in their answer (RFC 9207) cannot share one. Default
	// /.privyseal/callback.
	RedirectPath string `yaml:"redirect_path"`
	// Session says where sessions are kept, and for how long.
	Session Session `yaml:"session"`
	// ClaimPaths say where claims of the ID token are found: keys groups, email,
	// name and subject; values a claim's name, or names joined by dots that lead
	// into objects. Defaults groups, email, name and sub.
	ClaimPaths map[string]string `yaml:"claim_paths"`
	// Claims are further claims of the ID token that rules read, by name. What is
	// not named is not kept. Default: none.
	Claims []string `yaml:"claims"`
	// Email is "trusted" if every address is the person's own. Default "":
	// only where the token says email_verified: true, which speaks of the
	// claim email and of no other path.
	Email string `yaml:"email"`
	// Primary lets this source's subjects stand unqualified where a rule
	// admits several sources. At most one source.
	Primary bool `yaml:"primary"`
	// ACRValues are the authentication context classes that every login asks
	// for, any of which will do. Default: none.
	ACRValues []string `yaml:"acr_values"`
	// MaxAge is how long ago a person may have authenticated when a login
	// completes. Default: any time.
	MaxAge time.Duration `yaml:"max_age"`
	// PostLogout is where the provider sends the browser after a logout: a path
	// of the same host, or an https URL, which the provider must know. Default: the
	// provider says itself that the person is logged out.
	PostLogout string `yaml:"post_logout"`
	// LocalLogout keeps the session at the provider when a person logs out here.
	// Default false: it ends too, if the provider can do that.
	LocalLogout bool `yaml:"local_logout"`
}

// Session says where sessions are kept, and for how long.
type Session struct {
	// Store is cookie, which keeps nothing on a server, or
	// redis://USER:PASSWORD@HOST:PORT/0 (rediss:// for TLS, with ?ca_file=FILE), which is
	// needed for tokens that do not fit a cookie and for logouts that hold on
	// every replica. Default cookie.
	Store string `yaml:"store"`
	// Idle is how long a session lasts without a request: 1m to 720h. Default 1h.
	Idle time.Duration `yaml:"idle"`
	// Absolute is how long it lasts at most: idle to 2160h. Default 12h.
	Absolute time.Duration `yaml:"absolute"`
}

// callbackPath is the default redirect path, and what all begin with.
const callbackPath = "/.privyseal/callback"

// Bounds of options.
const (
	minSecretBytes = 32
	maxSecrets     = 8
)

// withDefaults returns a copy with the defaults written out.
func (o Source) withDefaults() Source {
	if o.Scopes == nil {
		o.Scopes = []string{"openid", "email", "profile"}
	}
	if o.RedirectPath == "" {
		o.RedirectPath = callbackPath
	}
	if o.Session.Store == "" {
		o.Session.Store = "cookie"
	}
	if o.Session.Idle == 0 {
		o.Session.Idle = time.Hour
	}
	if o.Session.Absolute == 0 {
		o.Session.Absolute = max(12*time.Hour, o.Session.Idle)
	}
	return o
}

// mistakes collects what is wrong with the options below a path.
type mistakes struct {
	path string
	list []error
}

func (m *mistakes) add(option string, err error) {
	if err != nil {
		m.list = append(m.list, &authz.OptionError{Path: m.path + option, Err: err})
	}
}

// options checks one entry by itself.
func (m *mistakes) options(o *Source) {
	m.add(".name", validName(o.Name))
	m.add(".issuer", validIssuer(o.Issuer))
	if o.ClientID == "" {
		m.add(".client_id", errors.New("is required: the name under which the provider knows this service"))
	}
	if !slices.Contains(o.Scopes, "openid") {
		m.add(".scopes", errors.New("does not hold openid: without it there is no ID token"))
	}
	for i, scope := range o.Scopes {
		if scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			m.add(fmt.Sprintf(".scopes[%d]", i), errors.New("is not a scope (RFC 6749 section 3.3)"))
		}
	}
	m.secrets(o.CookieSecrets)
	for i, host := range o.Hosts {
		if _, err := authz.CanonicalHost(strings.TrimPrefix(host, "*.")); err != nil {
			m.add(fmt.Sprintf(".hosts[%d]", i), errors.New(`is neither a host name nor "*." and a name`))
		}
	}
	m.add(".redirect_path", validRedirectPath(o.RedirectPath))
	m.session(&o.Session)
	for _, claim := range slices.Sorted(maps.Keys(o.ClaimPaths)) {
		m.add(".claim_paths."+claim, validClaimPath(claim, o.ClaimPaths[claim]))
	}
	if o.Email != "" && o.Email != "trusted" {
		m.add(".email", errors.New(`is neither "" nor "trusted"`))
	}
	if o.MaxAge < 0 {
		m.add(".max_age", errors.New("is negative"))
	}
	if o.PostLogout != "" && safeTarget(o.PostLogout) != o.PostLogout && verify.ValidURL(o.PostLogout, false) != nil {
		m.add(".post_logout", errors.New("is neither a path of this host nor an https URL"))
	}
}

func (m *mistakes) secrets(list []string) {
	if len(list) == 0 || len(list) > maxSecrets {
		m.add(".cookie_secrets", fmt.Errorf("must hold 1 to %d texts of at least %d random bytes: `openssl rand -base64 32` makes one", maxSecrets, minSecretBytes))
	}
	for i, secret := range list {
		path := fmt.Sprintf(".cookie_secrets[%d]", i)
		switch secret = strings.TrimSpace(secret); {
		case len(secret) < minSecretBytes:
			m.add(path, fmt.Errorf("is shorter than %d bytes: `openssl rand -base64 32` makes one that is long enough", minSecretBytes))
		case strings.Count(secret, secret[:1]) == len(secret):
			m.add(path, errors.New("is one byte over and over: make a random one with `openssl rand -base64 32`"))
		}
	}
}

func (m *mistakes) session(s *Session) {
	if s.Store != "cookie" {
		_, err := parseRedis(s.Store)
		m.add(".session.store", err)
	}
	if s.Idle < time.Minute || s.Idle > 720*time.Hour {
		m.add(".session.idle", errors.New("is not between 1m and 720h"))
	}
	if s.Absolute < s.Idle || s.Absolute > 2160*time.Hour {
		m.add(".session.absolute", errors.New("is not between idle and 2160h"))
	}
}

// besides checks an entry against an earlier one.
func (m *mistakes) besides(o, earlier *Source) {
	if o.Name == earlier.Name {
		m.add(".name", errors.New("is the name of an earlier source: rules could not tell them apart"))
	}
	if o.Primary && earlier.Primary {
		m.add(".primary", fmt.Errorf("source %s is primary already: subjects of two would be mixed", earlier.Name))
	}
}

func validName(name string) error {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (c != '-' || i == 0) {
			return errors.New("is not a name: a letter or digit, then letters, digits and '-', in lower case")
		}
	}
	if name == "" || len(name) > 32 {
		return errors.New("is not between 1 and 32 bytes long")
	}
	return nil
}

func validIssuer(issuer string) error {
	if issuer == "" {
		return errors.New("is required: the provider's exact issuer")
	}
	if strings.ContainsAny(issuer, "?#") {
		return errors.New("has a query or fragment, which no issuer has (OpenID Connect Discovery section 3)")
	}
	return verify.ValidURL(issuer, false)
}

func validRedirectPath(path string) error {
	rest, ok := strings.CutPrefix(path, callbackPath)
	name, named := strings.CutPrefix(rest, "/")
	if !ok || rest != "" && (!named || validName(name) != nil) {
		return errors.New("is neither " + callbackPath + " nor a name below it, such as " + callbackPath + "/corp")
	}
	return nil
}

func validClaimPath(claim, path string) error {
	if !slices.Contains([]string{"groups", "email", "name", "subject"}, claim) {
		return errors.New("is not one of groups, email, name and subject")
	}
	if path == "" || len(path) > 256 || slices.Contains(strings.Split(path, "."), "") {
		return errors.New("is not a claim's name or names joined by single dots")
	}
	return nil
}

// serves reports whether the provider is offered on a canonical host.
func (o *Source) serves(host string) bool {
	return len(o.Hosts) == 0 || slices.ContainsFunc(o.Hosts, func(pattern string) bool {
		domain, wild := strings.CutPrefix(pattern, "*.")
		domain, _ = authz.CanonicalHost(domain) // checked with the options
		return !wild && domain == host || wild && strings.HasSuffix(host, "."+domain)
	})
}

// origin is the scheme and authority that the browser sees. It is https except
// on loopback, where browsers keep Secure cookies without it.
func origin(r *authz.Request) string {
	scheme, host := "https", r.Host
	if r.Scheme == "http" && loopback(host) {
		scheme = "http"
	}
	host = authority(r)
	if scheme == "https" {
		host = strings.TrimSuffix(host, ":443") // as browsers and providers write it
	}
	return (&url.URL{Scheme: scheme, Host: host}).String()
}
