package envoy

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"net/url"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"privyseal/authz"
)

// request reads a CheckRequest. With a denial it returns what is known of the
// request all the same: its headers tell how to answer.
func request(m *authv3.CheckRequest) (*authz.Request, *authz.Denial) {
	http := m.GetAttributes().GetRequest().GetHttp()
	if http == nil {
		return nil, &authz.Denial{Reason: authz.MalformedRequest, Detail: "the check request describes no HTTP request"}
	}
	headers := headersOf(http)
	r, denial := authz.NewRequest(http.GetMethod(), http.GetScheme(), http.GetHost(), http.GetPath())
	if denial != nil {
		return &authz.Request{Headers: headers}, denial
	}
	r.Ambiguous = r.Ambiguous || pathHidesBytes(http)
	r.Headers = headers
	r.Facts = facts{m.GetAttributes()}
	r.Client = addrOf(m.GetAttributes().GetSource().GetAddress())
	return r, nil
}

// pathHidesBytes reports whether the application may receive another path than
// we were shown: Envoy writes '!' for each byte of it that is not UTF-8. The raw
// header tells, where Envoy sends it; else any '!' is suspicious.
func pathHidesBytes(http *authv3.AttributeContext_HttpRequest) bool {
	for _, h := range http.GetHeaderMap().GetHeaders() {
		if h.GetKey() == ":path" {
			return string(h.GetRawValue()) != http.GetPath() && h.GetValue() != http.GetPath()
		}
	}
	path, _, _ := strings.Cut(http.GetPath(), "?")
	return strings.Contains(path, "!")
}

func addrOf(a *corev3.Address) netip.Addr {
	addr, err := netip.ParseAddr(a.GetSocketAddress().GetAddress())
	if err != nil {
		return netip.Addr{} // a unix socket or an internal listener
	}
	return addr.Unmap()
}

// headersOf returns the headers in whichever of its two forms Envoy sent them:
// a list with encode_raw_headers, else a map in which repeated fields are joined
// with a comma. Pseudo headers are left out.
func headersOf(http *authv3.AttributeContext_HttpRequest) authz.Headers {
	if list := http.GetHeaderMap().GetHeaders(); len(list) > 0 {
		return headerList(list)
	}
	return headerMap(http.GetHeaders())
}

type headerList []*corev3.HeaderValue

func (l headerList) Values(name string) []string {
	var values []string
	for n, v := range l.All() {
		if n == name {
			values = append(values, v)
		}
	}
	return values
}

func (l headerList) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, h := range l {
			value := h.GetValue()
			if raw := h.GetRawValue(); len(raw) > 0 {
				value = string(raw)
			}
			if name := strings.ToLower(h.GetKey()); !strings.HasPrefix(name, ":") && !yield(name, value) {
				return
			}
		}
	}
}

type headerMap map[string]string

func (m headerMap) Values(name string) []string {
	if v, ok := m[name]; ok {
		return []string{v}
	}
	// Envoy sends lower-case names; other callers may not, and a name we do not
	// find is a credential we do not check.
	var values []string
	for n, v := range m {
		if len(n) == len(name) && strings.EqualFold(n, name) {
			values = append(values, v)
		}
	}
	return values
}

func (m headerMap) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for n, v := range m {
			if name := strings.ToLower(n); !strings.HasPrefix(name, ":") && !yield(name, v) {
				return
			}
		}
	}
}

// facts are what Envoy and its operator say.
type facts struct{ attributes *authv3.AttributeContext }

func (f facts) Extension(key string) string { return f.attributes.GetContextExtensions()[key] }

func (f facts) Metadata(namespace string) (map[string]any, error) {
	s, ok := f.attributes.GetMetadataContext().GetFilterMetadata()[namespace]
	if !ok {
		return nil, nil
	}
	return s.AsMap(), nil
}

func (f facts) Peer() (principal string, leaf *x509.Certificate, err error) {
	source := f.attributes.GetSource()
	principal = source.GetPrincipal()
	if source.GetCertificate() == "" {
		return principal, nil, nil
	}
	text, err := url.PathUnescape(source.GetCertificate())
	if err != nil {
		return "", nil, errors.New("client certificate is not URL-encoded")
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return "", nil, errors.New("client certificate is not one PEM certificate")
	}
	if leaf, err = x509.ParseCertificate(block.Bytes); err != nil {
		return "", nil, fmt.Errorf("client certificate: %v", err)
	}
	return principal, leaf, nil
}
