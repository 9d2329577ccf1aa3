package verify_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"privyseal/authz/verify"
)

func TestMiddleware(t *testing.T) {
	issuer := newIssuer(t)
	good, other := issuer.Assertion("orders", "ann", nil), issuer.Assertion("orders", "bob", nil)
	handler := issuer.Verifier("orders").Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := verify.FromContext(r.Context())
		if !ok || a.Subject != "ann" {
			t.Errorf("assertion %v, %v", a, ok)
		}
		if r.Header.Get(verify.DefaultHeader) == "" || r.Header.Get("X-Other") != "kept" {
			t.Error("headers were changed")
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	const name = "X-Pomerium-Jwt-Assertion"
	for what, c := range map[string]struct {
		header http.Header
		want   int
	}{
		"one":                     {http.Header{name: {good}}, 204},
		"none":                    {http.Header{}, 401},
		"empty":                   {http.Header{name: {""}}, 401},
		"two lines":               {http.Header{name: {good, other}}, 401},
		"the same twice":          {http.Header{name: {good, good}}, 401},
		"two in one line":         {http.Header{name: {good + "," + other}}, 401},
		"underscores beside":      {http.Header{name: {good}, "X_pomerium_jwt_assertion": {other}}, 401},
		"one underscore beside":   {http.Header{name: {good}, "X-Pomerium_jwt-Assertion": {other}}, 401},
		"underscores alone":       {http.Header{"X_pomerium_jwt_assertion": {good}}, 401},
		"another case beside":     {http.Header{name: {good}, "x-pomerium-jwt-assertion": {other}}, 401},
		"as a bearer token":       {http.Header{"Authorization": {"Bearer " + good}}, 401},
		"with a scheme":           {http.Header{name: {"Bearer " + good}}, 401},
		"for another audience":    {http.Header{name: {issuer.Assertion("billing", "ann", nil)}}, 401},
		"of a header like it":     {http.Header{name + "-For": {good}}, 401},
		"beside a header like it": {http.Header{name: {good}, name + "-For": {other}}, 204},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		c.header.Set("X-Other", "kept")
		r.Header = c.header
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", what, w.Code, c.want)
		}
		if w.Code == 401 && (w.Header().Get("WWW-Authenticate") == "" || w.Header().Get("Cache-Control") != "no-store") {
			t.Errorf("%s: headers %v", what, w.Header())
		}
	}
}

// Without keys nothing can be said: that is not the client's fault.
func TestMiddlewareWithoutKeys(t *testing.T) {
	issuer := newIssuer(t)
	issuer.Break(http.NotFoundHandler())
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set(verify.DefaultHeader, issuer.Assertion("orders", "ann", nil))
	w := httptest.NewRecorder()
	issuer.Verifier("orders").Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("passed on")
	})).ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable {
		t.Error(w.Code)
	}
}

// The header and the answer to a refusal are the application's choice.
func TestMiddlewareConfigured(t *testing.T) {
	issuer := newIssuer(t)
	var refused error
	v, err := verify.New(verify.Config{
		Issuer: issuer.URL, Audience: "orders", Keys: static(t, issuer), Header: "X-Identity",
		Refuse: func(w http.ResponseWriter, _ *http.Request, err error) {
			refused = err
			w.WriteHeader(http.StatusTeapot)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	handler := v.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for name, want := range map[string]int{"X-Identity": 200, verify.DefaultHeader: 418, "X_Identity": 418} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(name, issuer.Assertion("orders", "ann", nil))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want || want == 418 && !errors.Is(refused, verify.ErrMalformed) {
			t.Errorf("%s: %d, %v", name, w.Code, refused)
		}
	}
}

func TestFromContextWithoutMiddleware(t *testing.T) {
	if a, ok := verify.FromContext(t.Context()); ok || a != nil {
		t.Error("an assertion from nowhere")
	}
}
