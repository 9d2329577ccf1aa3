package login

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"privyseal/authz"
)

const maxTargetBytes = 2048

// safeTarget returns where a browser may be sent after a login: the path and
// query given, if every browser reads them as a path of the host it is at, else
// "/". Browsers read \ as /, skip tabs and line ends, and take // for the
// beginning of another host, which [authz.CanonicalPath] calls ambiguous, so only visible ASCII without \ is accepted, and
// of paths only those that cannot be read in two ways. Our own paths are no
// target: a login would end where it began.
func safeTarget(target string) string {
	const home = "/"
	if len(target) > maxTargetBytes || !strings.HasPrefix(target, "/") {
		return home
	}
	for i := 0; i < len(target); i++ {
		if c := target[i]; c <= ' ' || c > '~' || c == '\\' || c == '"' || c == '<' || c == '>' || c == '#' {
			return home
		}
	}
	raw, _, _ := strings.Cut(target, "?")
	path, ambiguous := authz.CanonicalPath(raw)
	if ambiguous || strings.HasPrefix(path, "/.privyseal/") {
		return home
	}
	if u, err := url.Parse(target); err != nil || u.IsAbs() || u.Host != "" || u.User != nil || u.Opaque != "" {
		return home
	}
	return target
}

// here is the target that is the request itself.
func here(r *authz.Request) string {
	if r.Query == "" {
		return safeTarget(r.RawPath)
	}
	return safeTarget(r.RawPath + "?" + r.Query)
}

// authority is the host and port of the request as the client sent them.
func authority(r *authz.Request) string {
	if r.RawHost != "" {
		return strings.ToLower(r.RawHost)
	}
	if strings.Contains(r.Host, ":") {
		return "[" + r.Host + "]"
	}
	return r.Host
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// sameOrigin reports whether a request was made by a page of this very origin,
// as far as browsers say: by Fetch Metadata, or the Origin of a form.
func sameOrigin(r *authz.Request) bool {
	if site := r.Headers.Values("sec-fetch-site"); len(site) > 0 {
		return len(site) == 1 && site[0] == "same-origin"
	}
	sent := r.Headers.Values("origin")
	if len(sent) != 1 {
		return false
	}
	u, err := url.Parse(sent[0])
	return err == nil && (u.Scheme == "https" || u.Scheme == "http" && loopback(r.Host)) && sameAuthority(u.Host, authority(r))
}

func sameAuthority(a, b string) bool {
	trim := func(s string) string {
		if host, port, err := net.SplitHostPort(s); err == nil && (port == "443" || port == "80") {
			s = host
		}
		return strings.ToLower(s)
	}
	return trim(a) == trim(b)
}
