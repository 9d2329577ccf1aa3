package keys

import (
	"net/http"
	"strings"
)

// ServeHTTP answers every path with the key set: GET, HEAD and the preflight of
// CORS (any page may read it). The entity tag changes with the keys and with
// nothing else. Until keys are loaded, and when a shared ring has been without
// news for too long, the answer is 503 and not to be stored.
func (r *Ring) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-Content-Type-Options", "nosniff")
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		r.serveKeys(w, q)
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "*")
		h.Set("Access-Control-Max-Age", "7200")
		w.WriteHeader(http.StatusNoContent)
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

func (r *Ring) serveKeys(w http.ResponseWriter, q *http.Request) {
	h := w.Header()
	s := r.current.Load()
	if err := s.publishes(r.options.Now); err != nil {
		h.Set("Cache-Control", "no-store")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	h.Set("Cache-Control", s.jwks.cache)
	h.Set("ETag", s.jwks.etag)
	if matches(q.Header.Values("If-None-Match"), s.jwks.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", s.jwks.length)
	if q.Method == http.MethodGet {
		w.Write(s.jwks.body) // an error is the client's having left
	}
}

// matches compares as If-None-Match demands (RFC 9110 section 13.1.2): weakly,
// with any member of a list. Our tags hold no comma.
func matches(conditions []string, etag string) bool {
	for tag := range strings.SplitSeq(strings.Join(conditions, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}
