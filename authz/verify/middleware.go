package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Middleware passes on requests that carry exactly one assertion, in exactly
// one header line, that [Verifier.Verify] accepts; [FromContext] returns it.
// Everything else is answered by [Config.Refuse]. The request's headers are not
// changed.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		jws, err := v.fromHeader(r.Header)
		if err != nil {
			v.c.Refuse(w, r, err)
			return
		}
		a, err := v.Verify(r.Context(), jws, r)
		if err != nil {
			v.c.Refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, a)))
	})
}

// FromContext returns the assertion of a request that [Verifier.Middleware]
// passed on.
func FromContext(ctx context.Context) (*Assertion, bool) {
	a, ok := ctx.Value(contextKey{}).(*Assertion)
	return a, ok
}

type contextKey struct{}

// fromHeader returns the one value of the header. Names that differ from it in
// underscores only are refused: CGI and WSGI servers take them for the same
// header, so their presence means that somebody is trying.
func (v *Verifier) fromHeader(h http.Header) (string, error) {
	dashed := strings.ReplaceAll(v.c.Header, "_", "-")
	var lines []string
	for name, values := range h {
		name = strings.ToLower(name)
		switch {
		case name == v.c.Header:
			lines = append(lines, values...)
		case strings.ReplaceAll(name, "_", "-") == dashed:
			return "", fmt.Errorf("%w: another spelling of header %s", ErrMalformed, v.c.Header)
		}
	}
	if len(lines) != 1 {
		return "", fmt.Errorf("%w: %d lines of header %s, not one", ErrMalformed, len(lines), v.c.Header)
	}
	return lines[0], nil
}

func refuse(w http.ResponseWriter, _ *http.Request, err error) {
	w.Header().Set("Cache-Control", "no-store")
	if errors.Is(err, ErrUnavailable) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "identity cannot be verified right now", http.StatusServiceUnavailable)
		return
	}
	// A 401 names a scheme (RFC 9110 section 11.6.1). Ours is none that a client
	// could use: only the proxy in front makes assertions.
	w.Header().Set("WWW-Authenticate", "Assertion")
	http.Error(w, "no valid identity assertion", http.StatusUnauthorized)
}
