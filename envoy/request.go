package envoy

import (
	"net/netip"
	"strings"

	"privyseal/authz"
)

// request makes the request that a message describes. With a denial it returns
// what is known of the request all the same: its headers tell how to answer.
func (m *checkRequest) request() (*authz.Request, *authz.Denial) {
	if !m.http {
		return nil, &authz.Denial{Reason: authz.MalformedRequest, Detail: "the check request describes no HTTP request"}
	}
	r, denial := authz.NewRequest(m.texts[methodText], m.texts[schemeText], m.texts[hostText], m.texts[pathText])
	if denial != nil {
		return &authz.Request{Headers: &m.headers}, denial
	}
	r.Ambiguous = r.Ambiguous || m.pathHidesBytes()
	r.Headers = &m.headers
	r.Facts = m
	r.Client = addrOf(m.texts[clientText])
	return r, nil
}

// pathHidesBytes reports whether the application may receive another path than
// we were shown: Envoy writes '!' for each byte of it that is not UTF-8. The raw
// header tells, where Envoy sends it; else any '!' is suspicious.
func (m *checkRequest) pathHidesBytes() bool {
	shown := m.texts[pathText]
	if m.headers.hasPath {
		return m.headers.rawPath != shown && m.headers.path != shown
	}
	path, _, _ := strings.Cut(shown, "?")
	return strings.Contains(path, "!")
}

func addrOf(text string) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{} // a unix socket or an internal listener
	}
	return addr.Unmap()
}
