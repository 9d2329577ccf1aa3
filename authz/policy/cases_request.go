package policy

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"privyseal/authz"
)

// identity makes the identity that a case is about.
func (m *caseCompiler) identity(path, name string, o *CaseIdentity) *authz.Identity {
	switch {
	case name == nobody:
		m.wrong(path, errors.New("is the caller without credentials: give the identity another name"))
	case o.Source == "":
		m.wrong(path+".source", errors.New("is missing: name one of the identity sources of the configuration"))
	case !slices.Contains(m.rules.sources, o.Source):
		m.wrong(path+".source", unknown("source", o.Source, m.rules.sources))
	}
	if o.Subject == "" {
		m.wrong(path+".subject", errors.New("is missing"))
	}
	if digest, err := base64.RawURLEncoding.DecodeString(o.Thumbprint); o.Thumbprint != "" && (err != nil || len(digest) != sha256.Size) {
		m.wrong(path+".thumbprint", errors.New("is not the SHA-256 of a certificate in 43 characters of base64url"))
	}
	return authz.NewIdentity(authz.Identity{
		Source: o.Source, Issuer: o.Issuer, Subject: o.Subject, Session: o.Session,
		Email: o.Email, EmailVerified: o.EmailVerified, Name: o.Name, ACR: o.ACR, AMR: o.AMR,
		Groups: o.Groups, GroupsUnknown: o.GroupsUnknown, GroupsAbsent: o.Groups == nil,
		AuthTime: m.time(path+".auth_time", o.AuthTime, time.Time{}), Expires: m.time(path+".expires", o.Expires, time.Time{}),
		Thumbprint: o.Thumbprint, Claims: o.Claims,
	})
}

// request makes the request of a case as the adapter of Envoy would: what it
// cannot read is a denial, which may be what is expected.
func (m *caseCompiler) request(path string, o *CaseRequest) (*authz.Request, *authz.Denial) {
	r, unreadable, err := ParseRequest(o.Request)
	if err != nil {
		m.wrong(path, err)
	}
	headers := authz.HeaderMap{}
	for name, value := range o.Headers {
		if name != strings.ToLower(name) {
			m.wrong(path+".headers."+name, errors.New("is not lower case, as names of headers are here"))
		}
		headers[name] = []string{value}
	}
	facts := caseFacts{extensions: o.Extensions, metadata: map[string]map[string]any{}}
	for namespace, value := range o.Metadata {
		fields, ok := value.(map[string]any)
		if !ok {
			m.wrong(path+".metadata."+namespace, errors.New("is not a mapping: write the fields of the namespace"))
		}
		facts.metadata[namespace] = fields
	}
	client, err := netip.ParseAddr(o.Client)
	if o.Client != "" && err != nil {
		m.wrong(path+".client", errors.New("is not an IP address"))
	}
	if r != nil {
		r.Headers, r.Facts, r.Client = headers, facts, client.Unmap()
	}
	return r, unreadable
}

// ParseRequest makes a request of a line such as "GET https://a.example/v1?x=1".
// The path is taken as it is written. An error says that the line is none; a
// denial that the request cannot be read, as [authz.NewRequest] does.
func ParseRequest(line string) (*authz.Request, *authz.Denial, error) {
	method, rawURL, _ := strings.Cut(line, " ")
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok || scheme != "http" && scheme != "https" || strings.ContainsAny(rest, " #") {
		return nil, nil, errors.New("is not a method and a URL, such as GET https://orders.example.com/v1/list")
	}
	host, target := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		host, target = rest[:i], rest[i:]
	}
	if !strings.HasPrefix(target, "/") && method != "CONNECT" {
		target = "/" + target
	}
	r, unreadable := authz.NewRequest(method, scheme, host, target)
	return r, unreadable, nil
}

// caseFacts is what a case says that Envoy says.
type caseFacts struct {
	extensions map[string]string
	metadata   map[string]map[string]any
}

func (f caseFacts) Extension(key string) string { return f.extensions[key] }
func (f caseFacts) Metadata(namespace string) (map[string]any, error) {
	return f.metadata[namespace], nil
}
func (f caseFacts) Peer() (principal string, _ *x509.Certificate, _ error) { return "", nil, nil }
