package whoami_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"privyseal/authz/verify"
	"privyseal/authz/verify/verifytest"
	"privyseal/examples/whoami"
)

func newApp(t *testing.T, o whoami.Options) *whoami.App {
	t.Helper()
	app, err := whoami.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(app.Close)
	return app
}

func newIssuer(t *testing.T) *verifytest.Issuer {
	t.Helper()
	issuer := verifytest.NewIssuer()
	t.Cleanup(issuer.Close)
	return issuer
}

// get asks an application with these assertion headers.
func get(app http.Handler, path, accept string, assertions ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header[http.CanonicalHeaderKey(verify.DefaultHeader)] = assertions
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return w
}

func decode(t *testing.T, w *httptest.ResponseRecorder) (v whoami.View) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return v
}

func TestVerdicts(t *testing.T) {
	issuer, stranger := newIssuer(t), newIssuer(t)
	app := newApp(t, whoami.Options{Issuer: issuer.URL, Audience: "orders", KeySetURL: issuer.KeySetURL()})
	cutOff := newApp(t, whoami.Options{Issuer: issuer.URL, Audience: "orders", KeySetURL: "http://127.0.0.1:1/"})
	good := issuer.Assertion("orders", "ann", map[string]any{"groups": []string{"staff"}})
	for _, test := range []struct {
		name       string
		app        http.Handler
		assertions []string
		status     int
		verdict    whoami.Verdict
		why        string
	}{
		{"good", app, []string{good}, 200, whoami.Valid, ""},
		{"none", app, nil, 401, whoami.Missing, "0 lines"},
		{"two", app, []string{good, good}, 401, whoami.Refused, "2 lines"},
		{"for another application", app, []string{issuer.Assertion("billing", "ann", nil)}, 401, whoami.Refused, "aud is not orders"},
		{"of another issuer", app, []string{stranger.Sign(map[string]any{"iss": issuer.URL, "aud": "orders", "sub": "ann"})}, 401, whoami.Refused, "bad signature"},
		{"expired", app, []string{issuer.Assertion("orders", "ann", map[string]any{"iat": 1, "exp": 300})}, 401, whoami.Refused, "expired"},
		{"garbage", app, []string{"garbage"}, 401, whoami.Refused, "malformed"},
		{"without keys", cutOff, []string{good}, 503, whoami.Unavailable, "no usable key set"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := get(test.app, "/json", "text/html", test.assertions...)
			v := decode(t, w)
			if w.Code != test.status || v.Verdict != test.verdict || !strings.Contains(v.Why, test.why) {
				t.Errorf("%d %s %q, want %d %s %q", w.Code, v.Verdict, v.Why, test.status, test.verdict, test.why)
			}
			if known := v.Caller != ""; known != (test.verdict == whoami.Valid) {
				t.Errorf("caller %q with verdict %s", v.Caller, v.Verdict)
			}
		})
	}
}

func TestHealth(t *testing.T) {
	issuer := newIssuer(t)
	app := newApp(t, whoami.Options{Issuer: issuer.URL, Audience: "orders", KeySetURL: issuer.KeySetURL()})
	if w := get(app, "/healthz", ""); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPosition(t *testing.T) {
	issuer := newIssuer(t)
	issuer.Rotate()
	app := newApp(t, whoami.Options{Issuer: issuer.URL, Audience: "orders", KeySetURL: issuer.KeySetURL()})
	set := decode(t, get(app, "/", "", issuer.Assertion("orders", "ann", nil))).KeySet
	if len(set.Keys) != 2 || set.Position != 2 || set.Keys[0].Named || !set.Keys[1].Named {
		t.Errorf("%+v", set)
	}
}

// A page shows what strangers wrote, as text.
func TestPage(t *testing.T) {
	const bad = `<script>alert(1)</script>`
	issuer := newIssuer(t)
	app := newApp(t, whoami.Options{Issuer: issuer.URL, Audience: "orders", KeySetURL: issuer.KeySetURL()})
	for _, assertion := range []string{
		issuer.Assertion("orders", "ann", map[string]any{"name": bad, bad: bad}),
		issuer.Assertion("billing", "ann", map[string]any{"name": bad, bad: bad}),
	} {
		w := get(app, "/", "text/html,*/*;q=0.8", assertion)
		page := w.Body.String()
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || !strings.Contains(page, "</html>") {
			t.Fatalf("no page: %s", page)
		}
		if strings.Contains(page, bad) || !strings.Contains(page, "alert(1)") {
			t.Error("a claim is not shown as text")
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("policy %q", csp)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Error("the page may be stored")
		}
	}
}

func TestNegotiation(t *testing.T) {
	issuer := newIssuer(t)
	app := newApp(t, whoami.Options{Issuer: issuer.URL, Audience: "orders", KeySetURL: issuer.KeySetURL()})
	for _, test := range []struct{ path, accept, want string }{
		{"/", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"},
		{"/", "*/*", "application/json"},
		{"/", "", "application/json"},
		{"/", "application/json;q=0.9, text/html;q=0.5", "application/json"},
		{"/", "application/json;q=0.5, text/html", "text/html"},
		{"/json", "text/html", "application/json"},
		{"/reports/json", "text/html", "application/json"},
	} {
		w := get(app, test.path, test.accept)
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s with Accept %q: %s, want %s", test.path, test.accept, got, test.want)
		}
	}
}
