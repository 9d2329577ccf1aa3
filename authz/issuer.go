package authz

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// Issuer says what an assertion's iss is: "host" (the request's host name),
// "uri" (https://host/), "uri-bare" (https://host), or a URL that is itself.
type Issuer string

// ParseIssuer accepts the three words and https URLs without query and
// fragment. http is accepted for loopback hosts only.
func ParseIssuer(s string) (Issuer, error) {
	switch s {
	case "", "host":
		return "host", nil
	case "uri", "uri-bare":
		return Issuer(s), nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || strings.ContainsAny(s, "?#"):
		return "", errors.New(`is neither "host", "uri", "uri-bare" nor a URL without query and fragment`)
	case u.Scheme == "http" && !isLoopbackName(u.Hostname()):
		return "", errors.New("is not https: verifiers would fetch keys over an open network")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("is not an https URL")
	}
	return Issuer(s), nil
}

// PerHost reports whether the iss depends on the request's host.
func (i Issuer) PerHost() bool { return i == "host" || i == "uri" || i == "uri-bare" }

// For returns the iss for a canonical host.
func (i Issuer) For(host string) string {
	switch i {
	case "host":
		return host
	case "uri":
		return "https://" + bracketed(host) + "/"
	case "uri-bare":
		return "https://" + bracketed(host)
	}
	return string(i)
}

func bracketed(host string) string {
	if strings.IndexByte(host, ':') >= 0 {
		return "[" + host + "]"
	}
	return host
}

func isLoopbackName(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}
