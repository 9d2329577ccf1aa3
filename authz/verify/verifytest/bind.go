package verifytest

import (
	"net/http"
	"slices"
	"strings"

	"privyseal/authz/verify"
)

// Bind returns the claim req that binds an assertion to parts of a request,
// any of method, host, path and query, as a rule's bind does:
//
//	issuer.Assertion("orders", "ann", map[string]any{"req": verifytest.Bind(r, "method", "path")})
//
// It panics at a part that is none. The request is one that a server received, or one that a client is about to
// send.
func Bind(r *http.Request, parts ...string) map[string]any {
	received := r.WithContext(r.Context()) // a copy
	if !strings.HasPrefix(r.RequestURI, "/") {
		received.RequestURI = r.URL.RequestURI()
	}
	if r.Host == "" {
		received.Host = r.URL.Host
	}
	digest, err := verify.RequestDigest(received, parts...)
	if err != nil {
		panic("verifytest: " + err.Error())
	}
	var ordered []string
	for _, part := range []string{"method", "host", "path", "query"} {
		if slices.Contains(parts, part) {
			ordered = append(ordered, part)
		}
	}
	return map[string]any{"v": 1, "parts": strings.Join(ordered, " "), "digest": digest}
}
