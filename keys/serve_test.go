package keys_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"privyseal/keys"
)

func get(ring http.Handler, method string, header http.Header) *http.Response {
	w := httptest.NewRecorder()
	q := httptest.NewRequest(method, "/.well-known/jwks.json", nil)
	for name, values := range header {
		q.Header[name] = values
	}
	ring.ServeHTTP(w, q)
	return w.Result()
}

func jwksOf(t testing.TB, ring http.Handler) []byte {
	t.Helper()
	answer := get(ring, "GET", nil)
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		t.Fatal(answer.Status, err)
	}
	return body
}

func wantHeader(t *testing.T, answer *http.Response, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := answer.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

func TestServeKeys(t *testing.T) {
	k := newKey(t, "ES256")
	ring := ringOf(t, k)
	body := `{"keys":[` + string(k.PublicJWK()) + `]}`
	sum := sha256.Sum256([]byte(body))
	etag := `"` + hex.EncodeToString(sum[:]) + `"`
	if ring.Status().JWKSDigest != hex.EncodeToString(sum[:]) {
		t.Error("the digest is not that of the body")
	}
	for _, method := range []string{"GET", "HEAD"} {
		answer := get(ring, method, nil)
		wantHeader(t, answer, map[string]string{
			"Content-Type":                "application/json",
			"Content-Length":              strconv.Itoa(len(body)),
			"Cache-Control":               "public, max-age=300, must-revalidate",
			"ETag":                        etag,
			"Access-Control-Allow-Origin": "*",
			"X-Content-Type-Options":      "nosniff",
		})
		want := map[string]string{"GET": body}[method]
		if got, _ := io.ReadAll(answer.Body); answer.StatusCode != 200 || string(got) != want {
			t.Errorf("%s: %s %s", method, answer.Status, got)
		}
	}
}

func TestServeConditional(t *testing.T) {
	ring := ringOf(t, newKey(t, "ES256"))
	etag := get(ring, "GET", nil).Header.Get("ETag")
	for _, c := range []struct {
		conditions []string
		want       int
	}{
		{[]string{etag}, 304},
		{[]string{"W/" + etag}, 304},
		{[]string{"*"}, 304},
		{[]string{`"old", ` + etag + `,"other"`}, 304},
		{[]string{`"old"`, etag}, 304},
		{[]string{`"old"`}, 200},
		{[]string{""}, 200},
		{[]string{etag[1 : len(etag)-1]}, 200},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			answer := get(ring, method, http.Header{"If-None-Match": c.conditions})
			if answer.StatusCode != c.want {
				t.Errorf("%s %q: %d, want %d", method, c.conditions, answer.StatusCode, c.want)
			}
			if c.want == 304 {
				wantHeader(t, answer, map[string]string{"ETag": etag, "Cache-Control": "public, max-age=300, must-revalidate", "Content-Type": ""})
				if body, _ := io.ReadAll(answer.Body); len(body) > 0 {
					t.Errorf("a 304 has the body %q", body)
				}
			}
		}
	}
}

func TestServeOtherMethods(t *testing.T) {
	ring := ringOf(t, newKey(t, "ES256"))
	preflight := get(ring, "OPTIONS", http.Header{"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}})
	if preflight.StatusCode != 204 {
		t.Errorf("preflight: %s", preflight.Status)
	}
	wantHeader(t, preflight, map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, HEAD", "Access-Control-Allow-Credentials": ""})
	for _, method := range []string{"POST", "PUT", "DELETE", "TRACE"} {
		answer := get(ring, method, nil)
		if answer.StatusCode != 405 {
			t.Errorf("%s: %s", method, answer.Status)
		}
		wantHeader(t, answer, map[string]string{"Allow": "GET, HEAD, OPTIONS"})
	}
}

// Nothing may remember that there were no keys for a moment.
func TestServeBeforeKeys(t *testing.T) {
	answer := get(keys.NewRing(keys.RingOptions{}), "GET", nil)
	if answer.StatusCode != 503 {
		t.Error(answer.Status)
	}
	wantHeader(t, answer, map[string]string{"Cache-Control": "no-store", "ETag": "", "Access-Control-Allow-Origin": "*"})
}
