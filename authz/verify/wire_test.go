package verify_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"privyseal/authz/verify"
	"privyseal/authz/verify/verifytest"
)

// Whatever a server that speaks for the issuer sends, the last good set stays in
// use, and the status says what is wrong.
func TestBadAnswers(t *testing.T) {
	issuer := newIssuer(t)
	good := string(issuer.KeySet())
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		io.WriteString(w, good)
	}))
	defer other.Close()
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); io.WriteString(w, good) }
	}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    string // in LastError
	}{
		{"500 with a good body", status(500), "status 500"},
		{"201 with a good body", status(201), "status 201"},
		{"206 with a good body", status(206), "status 206"},
		{"HTML", body("<html>sign in</html>"), "not JSON"},
		{"empty", body(""), "not JSON"},
		{"truncated", body(good[:len(good)-5]), "not JSON"},
		{"two documents", body(good + good), "not JSON"},
		{"no keys", body(`{"keys":[]}`), "none of 0 keys"},
		{"keys null", body(`{"keys":null}`), "no member keys"},
		{"keys an object", body(`{"keys":{}}`), "no member keys"},
		{"duplicate members", body(`{"keys":[],` + good[1:]), "duplicate member"},
		{"symmetric key", body(`{"keys":[{"kty":"oct","kid":"key-1","k":"AAAA"}]}`), "published secret"},
		{"unknown kind of key", body(`{"keys":[{"kty":"AKP","kid":"key-1"}]}`), "kty"},
		{"unknown curve", body(strings.ReplaceAll(good, "P-256", "P-255")), "crv"},
		{"point off its curve", body(`{"keys":[{"kty":"EC","crv":"P-256","kid":"key-1","x":"` + strings.Repeat("A", 43) + `","y":"` + strings.Repeat("A", 43) + `"}]}`), "point"},
		{"too many keys", body(`{"keys":[` + strings.Repeat("0,", 100) + "0]}"), "more than 100"},
		{"deep", body(strings.Repeat(`{"keys":[`, 50) + strings.Repeat("]}", 50)), "deep"},
		{"2 MiB", body(`{"x":"` + strings.Repeat("x", 2<<20) + `",` + good[1:]), "longer than"},
		{"gzip bomb", gzipBomb(t), "longer than"},
		{"redirect to another host", http.RedirectHandler(other.URL, http.StatusFound).ServeHTTP, "another origin"},
		{"redirect to metadata", http.RedirectHandler("http://169.254.169.254/latest/", http.StatusTemporaryRedirect).ServeHTTP, "another origin"},
		{"redirect in a circle", http.RedirectHandler(verifytest.KeySetPath, http.StatusFound).ServeHTTP, "redirects"},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"hangs up in the body", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, good)
		}, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			issuer.Break(nil)
			keys := verify.Remote(issuer.KeySetURL(), verify.Options{})
			defer keys.Close()
			token := issuer.Sign(nil)
			mustVerify(t, keys, token)
			issuer.Break(c.handler)
			mustFail(t, keys, issuer.SignRaw(map[string]any{"alg": "ES256", "kid": "unknown"}, nil), verify.ErrUnknownKey)
			if got := keys.Status().LastError; !strings.Contains(got, c.want) {
				t.Errorf("error %q does not say %q", got, c.want)
			}
			mustVerify(t, keys, token)
		})
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went to another origin", n)
	}
}

// gzipBomb returns a handler that answers with a few KiB which are 8 MiB.
func gzipBomb(t *testing.T) http.HandlerFunc {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(bytes.Repeat([]byte(" "), 8<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(b.Bytes())
	}
}

// Redirects within the origin are followed.
func TestRedirectWithinOrigin(t *testing.T) {
	issuer := newIssuer(t)
	mux := http.NewServeMux()
	mux.Handle("/keys", http.RedirectHandler("/v2/keys", http.StatusMovedPermanently))
	mux.HandleFunc("/v2/keys", func(w http.ResponseWriter, _ *http.Request) { w.Write(issuer.KeySet()) })
	server := httptest.NewServer(mux)
	defer server.Close()
	keys := verify.Remote(server.URL+"/keys", verify.Options{})
	defer keys.Close()
	mustVerify(t, keys, issuer.Sign(nil))
}

// Redirects are few, and none leaves https.
func TestRedirectBounds(t *testing.T) {
	issuer := newIssuer(t)
	issuer.Break(http.RedirectHandler(verifytest.KeySetPath, http.StatusFound))
	keys := verify.Remote(issuer.KeySetURL(), verify.Options{})
	defer keys.Close()
	mustFail(t, keys, issuer.Sign(nil), verify.ErrUnavailable)
	if n := issuer.Fetches(); n != 4 {
		t.Errorf("%d requests, want 1 and 3 redirects", n)
	}

	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http"+strings.TrimPrefix(server.URL, "https"), http.StatusFound)
	}))
	defer server.Close()
	plain := verify.Remote(server.URL, verify.Options{Client: server.Client()})
	defer plain.Close()
	mustFail(t, plain, issuer.Sign(nil), verify.ErrUnavailable)
	if got := plain.Status().LastError; !strings.Contains(got, "another origin") {
		t.Error(got)
	}
}

// https is spoken with the authorities of the client given, and with no other.
func TestTLS(t *testing.T) {
	issuer := newIssuer(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(issuer.KeySet()) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	trusted := verify.Remote(server.URL, verify.Options{Client: server.Client()})
	defer trusted.Close()
	mustVerify(t, trusted, issuer.Sign(nil))
	untrusted := verify.Remote(server.URL, verify.Options{})
	defer untrusted.Close()
	mustFail(t, untrusted, issuer.Sign(nil), verify.ErrUnavailable)
	if got := untrusted.Status().LastError; !strings.Contains(got, "certificate") {
		t.Error(got)
	}
}

// The client's cookies are not for issuers, nor the issuer's for the client.
func TestNoCookies(t *testing.T) {
	issuer := newIssuer(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(issuer.URL)
	if err != nil {
		t.Fatal(err)
	}
	jar.SetCookies(address, []*http.Cookie{{Name: "session", Value: "x", Path: "/"}})
	issuer.Break(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) != 0 {
			t.Error("cookies were sent")
		}
		w.Write(issuer.KeySet())
	}))
	keys := verify.Remote(issuer.KeySetURL(), verify.Options{Client: &http.Client{Jar: jar}})
	defer keys.Close()
	mustVerify(t, keys, issuer.Sign(nil))
}

func TestValidURL(t *testing.T) {
	for raw, ok := range map[string]bool{
		"https://idp.example/keys":      true,
		"https://idp.example/keys?p=1":  true,
		"http://127.0.0.1:1/keys":       true,
		"http://[::1]/keys":             true,
		"http://localhost/keys":         true,
		"http://idp.localhost/keys":     true,
		"http://idp.example/keys":       false,
		"http://127.0.0.1.evil.example": false,
		"http://localhost.evil.example": false,
		"http://0.0.0.0/":               false,
		"https://u:p@idp.example/":      false,
		"https://idp.example/#x":        false,
		"https://idp.example/#":         false,
		"https:///keys":                 false,
		"https:idp.example":             false,
		"file:///etc/keys":              false,
		"ftp://idp.example":             false,
		"idp.example":                   false,
		"":                              false,
		"https://idp.example/\x00":      false,
	} {
		if err := verify.ValidURL(raw, false); (err == nil) != ok {
			t.Errorf("%q: %v", raw, err)
		}
	}
	if err := verify.ValidURL("http://idp.example/keys", true); err != nil {
		t.Errorf("insecure http: %v", err)
	}
}

// A mistake in the configuration is the error of every call, and asks nobody.
func TestMistakes(t *testing.T) {
	u := &upstream{answer: func(*http.Request) (*http.Response, error) { panic("asked") }}
	client := &http.Client{Transport: u}
	for name, keys := range map[string]*verify.KeySet{
		"http":      verify.Remote("http://idp.example/keys?secret=hunter2", verify.Options{Client: client}),
		"user":      verify.Remote("https://joe:hunter2@idp.example/", verify.Options{Client: client}),
		"algorithm": verify.Remote("https://idp.example/keys", verify.Options{Client: client, Algorithms: []string{"HS256"}}),
		"issuer":    verify.Discover("https://idp.example/?hunter2", verify.Options{Client: client}),
	} {
		_, err := keys.Verify(t.Context(), newIssuer(t).Sign(nil))
		if !errors.Is(err, verify.ErrUnavailable) || keys.Status().LastError == "" {
			t.Errorf("%s: %v", name, err)
		}
		if text := fmt.Sprint(err, keys.Status()); strings.Contains(text, "hunter2") {
			t.Errorf("%s: a secret in %s", name, text)
		}
		keys.Close()
	}
}

// Errors do not repeat the query of the URL, which may be a secret.
func TestErrorsWithoutQuery(t *testing.T) {
	issuer := newIssuer(t)
	issuer.Break(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }))
	keys := verify.Remote(issuer.KeySetURL()+"?key=hunter2", verify.Options{})
	defer keys.Close()
	_, err := keys.Verify(t.Context(), issuer.Sign(nil))
	if err == nil || strings.Contains(fmt.Sprint(err, keys.Status()), "hunter2") || !strings.Contains(err.Error(), issuer.KeySetURL()) {
		t.Error(err)
	}
}

func TestDiscover(t *testing.T) {
	issuer := newIssuer(t)
	var document atomic.Value
	var rightPath atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rightPath.Store(r.URL.Path == "/.well-known/openid-configuration")
		io.WriteString(w, document.Load().(string))
	}))
	defer server.Close()
	write := func(iss, keys string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, iss, keys) }
	for _, c := range []struct{ name, document, want string }{
		{"good", write(server.URL, issuer.KeySetURL()), ""},
		{"another issuer", write("https://evil.example", issuer.KeySetURL()), "another issuer"},
		{"issuer with a slash", write(server.URL+"/", issuer.KeySetURL()), "another issuer"},
		{"no issuer", `{"jwks_uri":"` + issuer.KeySetURL() + `"}`, "another issuer"},
		{"issuer twice", `{"issuer":"x",` + write(server.URL, issuer.KeySetURL())[1:], "duplicate member"},
		{"keys over http elsewhere", write(server.URL, "http://evil.example/keys"), "not https"},
		{"keys in a file", write(server.URL, "file:///etc/passwd"), "jwks_uri"},
		{"no keys", `{"issuer":"` + server.URL + `"}`, "jwks_uri"},
		{"HTML", "<html>", "not JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			document.Store(c.document)
			keys := verify.Discover(server.URL, verify.Options{})
			defer keys.Close()
			_, err := keys.Verify(t.Context(), issuer.Sign(nil))
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, verify.ErrUnavailable) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v", err)
			}
			if !rightPath.Load() {
				t.Error("asked at another path")
			}
		})
	}
}

// An https issuer cannot send us to http, not even on our own host.
func TestDiscoverNoDowngrade(t *testing.T) {
	issuer := newIssuer(t)
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, server.URL, issuer.KeySetURL())
	}))
	defer server.Close()
	keys := verify.Discover(server.URL, verify.Options{Client: server.Client()})
	defer keys.Close()
	mustFail(t, keys, issuer.Sign(nil), verify.ErrUnavailable)
	if issuer.Fetches() != 0 {
		t.Error("the key set was fetched over http")
	}
}

// The clock of the options decides when an unknown kid may be asked for again.
func TestInjectedClock(t *testing.T) {
	issuer := newIssuer(t)
	var offset atomic.Int64
	keys := verify.Remote(issuer.KeySetURL(), verify.Options{Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }})
	defer keys.Close()
	mustVerify(t, keys, issuer.Sign(nil))
	for range 3 {
		issuer.Rotate()
		mustVerify(t, keys, issuer.Sign(nil))
		offset.Add(int64(31 * time.Second))
	}
	if n := issuer.Fetches(); n != 4 {
		t.Errorf("%d fetches, want 4", n)
	}
}
