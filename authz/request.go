package authz

import (
	"crypto/x509"
	"iter"
	"net/netip"
	"strings"
)

// Request is one request as rules see it. It and its strings may point into
// the transport's buffer: whoever keeps a part of it clones that part.
type Request struct {
	Method string // as sent; "CONNECT" has an empty Path
	Scheme string // informational: a client can influence it
	Host   string // canonical, see [CanonicalHost]
	Path   string // canonical: percent-decoded, what rules match, see [CanonicalPath]
	Query  string // raw, without the question mark; never matched by paths

	// RawHost is the host as the application receives it, in the client's
	// spelling and with the port, if any.
	RawHost string
	// RawPath is the path as the application receives it, without the query.
	RawPath string

	// Ambiguous says that two programs may read RawPath as two different
	// paths. Rules that read the path deny such a request.
	Ambiguous bool

	Client  netip.Addr // the peer as Envoy sees it; the zero Addr when unknown
	Headers Headers
	Facts   Facts
}

// NewRequest makes a Request in canonical form from the parts a transport
// delivers: target is the request target in origin form, with its query.
// Headers, Facts and Client are the caller's to add.
//
// The denial, if any, has reason [MalformedRequest]: a host that is not a host
// name or IP literal, a method that [ValidMethod] refuses, a target that does not begin
// with a slash (CONNECT has none).
func NewRequest(method, scheme, host, target string) (*Request, *Denial) {
	if !ValidMethod(method) {
		return nil, &Denial{Reason: MalformedRequest, Detail: "method is not an upper-case name"}
	}
	canonical, err := CanonicalHost(host)
	if err != nil {
		return nil, &Denial{Reason: MalformedRequest, Detail: "host " + err.Error()}
	}
	r := &Request{Method: method, Scheme: scheme, Host: canonical, RawHost: host, Headers: HeaderMap(nil), Facts: NoFacts{}}
	r.RawPath, r.Query, _ = strings.Cut(target, "?")
	if r.RawPath == "" && method == "CONNECT" {
		return r, nil
	}
	if !strings.HasPrefix(r.RawPath, "/") {
		return nil, &Denial{Reason: MalformedRequest, Detail: "path does not begin with a slash"}
	}
	r.Path, r.Ambiguous = CanonicalPath(r.RawPath)
	return r, nil
}

// Headers are a request's header fields. Names are lower case.
type Headers interface {
	// Values returns every value of a lower-case name, in order. Envoy's map
	// form joins repeated fields with a comma before anybody can count them.
	Values(name string) []string
	// All yields every field, name and value, in order.
	All() iter.Seq2[string, string]
}

// Facts are what Envoy and its operator say about a request; a client cannot
// write them. They are decoded when asked; one that is malformed is an error
// and never the same as absent.
type Facts interface {
	// Extension is a context extension of the route: the operator's word. An
	// absent key is "".
	Extension(key string) string
	// Metadata is the dynamic metadata that filters before us wrote under a
	// namespace; nil when there is none. Its trust is that of the filter.
	Metadata(namespace string) (map[string]any, error)
	// Peer is the client certificate of the connection: the principal Envoy
	// derived from it, and the certificate itself when Envoy is configured to
	// send it (include_peer_certificate). No certificate is "", nil, nil.
	Peer() (principal string, leaf *x509.Certificate, err error)
}

// HeaderMap is the plain implementation of [Headers], for tests and tools.
// Names must be lower case.
type HeaderMap map[string][]string

// Values implements [Headers].
func (m HeaderMap) Values(name string) []string { return m[name] }

// All implements [Headers]; the order of names is unspecified.
func (m HeaderMap) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for name, values := range m {
			for _, v := range values {
				if !yield(name, v) {
					return
				}
			}
		}
	}
}

// NoFacts is the [Facts] of a request about which nobody said anything.
type NoFacts struct{}

func (NoFacts) Extension(string) string                  { return "" }
func (NoFacts) Metadata(string) (map[string]any, error)  { return nil, nil }
func (NoFacts) Peer() (string, *x509.Certificate, error) { return "", nil, nil }

// SingleValue returns the value of a header that may occur once. It is "" when
// the header is absent; a repeated header is a denial with reason
// [MalformedRequest], because the application might read the other value.
//
// Where Envoy sends headers in map form, repetition shows only as a comma
// within the value: callers whose values cannot hold one refuse it themselves.
func SingleValue(h Headers, name string) (string, error) {
	switch values := h.Values(name); len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	default:
		return "", &Denial{Reason: MalformedRequest, Detail: "header " + name + " is repeated"}
	}
}
