package verify_test

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"privyseal/authz/verify"
	"privyseal/authz/verify/verifytest"
)

// received is a request as a server reads it from the wire.
func received(t *testing.T, method, target, host string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method, target, host))))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bound is an assertion's claims with others added.
func bound(claims map[string]any) map[string]any {
	all := asMade()
	for name, value := range claims {
		all[name] = value
	}
	return all
}

// TestBoundToRequest: an assertion is good for requests that are the same in what
// it covers, and in nothing else.
func TestBoundToRequest(t *testing.T) {
	issuer := newIssuer(t)
	v := newVerifier(t, verify.Config{Keys: static(t, issuer)})
	const target = "/orders/a%2Fb?from=1&to=2"
	made := received(t, "GET", target, "orders.example.com:8443")
	for _, c := range []struct {
		difference           string
		method, target, host string
		refusedBy            string // the parts that must be covered for it to be refused
	}{
		{"none", "GET", target, "orders.example.com:8443", ""},
		{"case of the host", "GET", target, "Orders.EXAMPLE.com:8443", ""},
		{"method", "POST", target, "orders.example.com:8443", "method"},
		{"case of the method", "get", target, "orders.example.com:8443", "method"},
		{"path", "GET", "/orders/c?from=1&to=2", "orders.example.com:8443", "path"},
		{"decoded path", "GET", "/orders/a/b?from=1&to=2", "orders.example.com:8443", "path"},
		{"case of an escape", "GET", "/orders/a%2fb?from=1&to=2", "orders.example.com:8443", "path"},
		{"doubled slash", "GET", "//orders/a%2Fb?from=1&to=2", "orders.example.com:8443", "path"},
		{"query", "GET", "/orders/a%2Fb?from=1&to=3", "orders.example.com:8443", "query"},
		{"order of the query", "GET", "/orders/a%2Fb?to=2&from=1", "orders.example.com:8443", "query"},
		{"no query", "GET", "/orders/a%2Fb", "orders.example.com:8443", "query"},
		{"host", "GET", target, "billing.example.com:8443", "host"},
		{"port", "GET", target, "orders.example.com", "host"},
		{"dot after the host", "GET", target, "orders.example.com.:8443", "host"},
	} {
		presented := received(t, c.method, c.target, c.host)
		for _, parts := range []string{"method", "host", "path", "query", "method host", "host path", "method host path query"} {
			jws := issuer.Sign(bound(map[string]any{"req": verifytest.Bind(made, strings.Split(parts, " ")...)}))
			_, err := v.Verify(t.Context(), jws, presented)
			refused := c.refusedBy != "" && strings.Contains(parts, c.refusedBy)
			if refused && !errors.Is(err, verify.ErrBinding) || !refused && err != nil {
				t.Errorf("another %s, bound to %s: %v", c.difference, parts, err)
			}
		}
	}
}

// An empty query is the same as none.
func TestEmptyQuery(t *testing.T) {
	issuer := newIssuer(t)
	v := newVerifier(t, verify.Config{Keys: static(t, issuer)})
	jws := issuer.Sign(bound(map[string]any{"req": verifytest.Bind(received(t, "GET", "/a?", "x"), "query")}))
	for target, ok := range map[string]bool{"/a?": true, "/a": true, "/a??": false} {
		if _, err := v.Verify(t.Context(), jws, received(t, "GET", target, "x")); (err == nil) != ok {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// A binding that is present is checked, whatever is demanded; without a request,
// or with one whose target is no path, it cannot be.
func TestBindingIsAlwaysChecked(t *testing.T) {
	issuer := newIssuer(t)
	v := newVerifier(t, verify.Config{Keys: static(t, issuer)})
	made := received(t, "GET", "/a", "x")
	jws := issuer.Sign(bound(map[string]any{"req": verifytest.Bind(made, "method", "path")}))
	client := httptest.NewRequest("GET", "/a", nil)
	client.RequestURI = ""
	for name, r := range map[string]*http.Request{
		"no request": nil, "one that a client made": client, "CONNECT": received(t, "CONNECT", "x:443", "x:443"),
		"an absolute URL": received(t, "GET", "http://x/a", "x"),
	} {
		if _, err := v.Verify(t.Context(), jws, r); !errors.Is(err, verify.ErrBinding) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Without a target there is no telling what the query was.
	client.URL.RawQuery = "admin=1"
	unasked := issuer.Sign(bound(map[string]any{"req": verifytest.Bind(made, "query")}))
	if _, err := v.Verify(t.Context(), unasked, client); !errors.Is(err, verify.ErrBinding) {
		t.Errorf("no target, a query: %v", err)
	}
	rewritten := received(t, "GET", "/a", "x") // as http.StripPrefix and routers do
	rewritten.URL.Path = "/elsewhere"
	if _, err := v.Verify(t.Context(), jws, rewritten); err != nil {
		t.Error(err)
	}
}

// TestDemands: less than is demanded is refused, more is accepted.
func TestDemands(t *testing.T) {
	issuer := newIssuer(t)
	r := received(t, "GET", "/a", "x")
	for _, c := range []struct {
		demanded, covered string
		ok                bool
	}{
		{"", "", true}, {"", "path", true}, {"path", "path", true}, {"path", "method path query", true}, {"query path", "path query", true},
		{"path", "", false}, {"path", "method", false}, {"method path", "path", false},
	} {
		v := newVerifier(t, verify.Config{Keys: static(t, issuer), Bind: strings.Fields(c.demanded)})
		claims := asMade()
		if c.covered != "" {
			claims["req"] = verifytest.Bind(r, strings.Fields(c.covered)...)
		}
		_, err := v.Verify(t.Context(), issuer.Sign(claims), r)
		if c.ok && err != nil || !c.ok && !errors.Is(err, verify.ErrBinding) {
			t.Errorf("%q demanded, %q covered: %v", c.demanded, c.covered, err)
		}
	}
}

// A binding that is not written as we write it is refused: what it means could
// be read in more than one way, or not by this version.
func TestMalformedBindings(t *testing.T) {
	issuer := newIssuer(t)
	r := received(t, "GET", "/a", "x")
	v := newVerifier(t, verify.Config{Keys: static(t, issuer), Confirm: verify.PeerCertificate})
	but := func(name string, value any) map[string]any {
		req := verifytest.Bind(r, "method", "path")
		if req[name] = value; value == nil {
			delete(req, name)
		}
		return req
	}
	thumbprint := strings.Repeat("A", 43)
	for name, claims := range map[string]map[string]any{
		"req is null":             {"req": nil},
		"req is text":             {"req": "method path"},
		"another version":         {"req": but("v", 2)},
		"version as text":         {"req": but("v", "1")},
		"no version":              {"req": but("v", nil)},
		"no parts":                {"req": but("parts", nil)},
		"empty parts":             {"req": but("parts", "")},
		"parts as a list":         {"req": but("parts", []string{"method", "path"})},
		"another order":           {"req": but("parts", "path method")},
		"a part twice":            {"req": but("parts", "method method path")},
		"a part that is none":     {"req": but("parts", "method path body")},
		"certificate as a part":   {"req": but("parts", "method path certificate")},
		"a comma":                 {"req": but("parts", "method,path")},
		"a space too many":        {"req": but("parts", "method path ")},
		"no digest":               {"req": but("digest", nil)},
		"a short digest":          {"req": but("digest", "AAAA")},
		"a padded digest":         {"req": but("digest", thumbprint+"=")},
		"a digest with a newline": {"req": but("digest", thumbprint[:42]+"\nA")},
		"a member more":           {"req": but("body", "x")},
		"cnf is text":             {"cnf": thumbprint},
		"cnf is empty":            {"cnf": map[string]any{}},
		"a key beside":            {"cnf": map[string]any{"x5t#S256": thumbprint, "jkt": thumbprint}},
		"a key instead":           {"cnf": map[string]any{"jkt": thumbprint}},
		"no thumbprint":           {"cnf": map[string]any{"x5t#S256": "x"}},
		"a DPoP proof":            {"htm": "GET", "htu": "https://x/a"},
		"an access token's hash":  {"ath": thumbprint},
	} {
		if _, err := v.Verify(t.Context(), issuer.Sign(bound(claims)), r); !errors.Is(err, verify.ErrClaims) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, parts := range map[string]string{"fewer parts": "method", "other parts": "method query", "more parts": "method path query"} {
		if _, err := v.Verify(t.Context(), issuer.Sign(bound(map[string]any{"req": but("parts", parts)})), r); !errors.Is(err, verify.ErrBinding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConfirmation: who is told how to see the certificate compares it; who is
// not refuses what is bound to one. A header is not looked at.
func TestConfirmation(t *testing.T) {
	issuer := newIssuer(t)
	certificate := &x509.Certificate{Raw: []byte("certificate")}
	sum := sha256.Sum256(certificate.Raw)
	thumbprint := base64.RawURLEncoding.EncodeToString(sum[:])
	cnf := map[string]any{"cnf": map[string]any{"x5t#S256": thumbprint}}
	other := map[string]any{"cnf": map[string]any{"x5t#S256": strings.Repeat("A", 43)}}

	with := received(t, "GET", "/", "x")
	with.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
	without := received(t, "GET", "/", "x")
	without.Header.Set("X-Forwarded-Client-Cert", fmt.Sprintf("Hash=%x", sum))
	anonymous := received(t, "GET", "/", "x")
	anonymous.TLS = &tls.ConnectionState{}

	confirm, demand := verify.Config{Confirm: verify.PeerCertificate}, verify.Config{Confirm: verify.PeerCertificate, Bind: []string{"certificate"}}
	for name, c := range map[string]struct {
		config verify.Config
		claims map[string]any
		r      *http.Request
		ok     bool
	}{
		"the same":                     {confirm, cnf, with, true},
		"demanded":                     {demand, cnf, with, true},
		"another":                      {confirm, other, with, false},
		"no TLS, a header":             {confirm, cnf, without, false},
		"no certificate":               {confirm, cnf, anonymous, false},
		"no request":                   {confirm, cnf, nil, false},
		"not bound":                    {confirm, nil, with, true},
		"demanded and not bound":       {demand, nil, with, false},
		"nothing to see it by":         {verify.Config{}, cnf, with, false},
		"an empty one, not confirmed":  {verify.Config{Confirm: func(*http.Request) (string, bool) { return thumbprint, false }}, cnf, with, false},
		"seen by the application":      {verify.Config{Confirm: func(*http.Request) (string, bool) { return thumbprint, true }}, cnf, without, true},
		"seen by it, and another than": {verify.Config{Confirm: func(*http.Request) (string, bool) { return "", true }}, cnf, with, false},
	} {
		c.config.Keys = static(t, issuer)
		_, err := newVerifier(t, c.config).Verify(t.Context(), issuer.Sign(bound(c.claims)), c.r)
		if c.ok && err != nil || !c.ok && !errors.Is(err, verify.ErrBinding) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBindMistakes(t *testing.T) {
	_, err := verify.New(verify.Config{Issuer: "x", Audience: "x", Keys: static(t, newIssuer(t)), Bind: []string{"path", "paht", "certificate"}})
	if err == nil || !strings.Contains(err.Error(), "bind[1]: is none of method, host, path, query, certificate") ||
		!strings.Contains(err.Error(), "bind[2]: needs Confirm") || strings.Contains(err.Error(), "bind[0]") {
		t.Error(err)
	}
	r := received(t, "GET", "/", "x")
	for _, parts := range [][]string{nil, {"path", "body"}, {"certificate"}} {
		if _, err := verify.RequestDigest(r, parts...); err == nil {
			t.Errorf("digested %v", parts)
		}
	}
}

// The middleware verifies with the request that carried the assertion, through
// net/http as an application runs it, over HTTP/1.1 and HTTP/2.
func TestMiddlewareChecksBinding(t *testing.T) {
	issuer := newIssuer(t)
	v, err := verify.New(verify.Config{Issuer: issuer.URL, Audience: "orders", Keys: static(t, issuer), Bind: []string{"method", "host", "path", "query"}})
	if err != nil {
		t.Fatal(err)
	}
	// StripPrefix rewrites the URL before we see it.
	server := httptest.NewUnstartedServer(http.StripPrefix("/api", v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Proto", r.Proto)
	}))))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		transport := server.Client().Transport.(*http.Transport).Clone()
		transport.ForceAttemptHTTP2 = proto == "HTTP/2.0"
		if !transport.ForceAttemptHTTP2 {
			transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
		}
		made, _ := http.NewRequest("GET", server.URL+"/api/a%2Fb/c;d?x=1", nil)
		jws := issuer.Assertion("orders", "ann", map[string]any{"req": verifytest.Bind(made, "method", "host", "path", "query")})
		for target, want := range map[string]int{"/api/a%2Fb/c;d?x=1": 200, "/api/a%2Fb/c;d?x=2": 401, "/api/a%2fb/c;d?x=1": 401} {
			r, _ := http.NewRequest("GET", server.URL+target, nil)
			r.Header.Set(verify.DefaultHeader, jws)
			answer, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != want || answer.Proto != proto {
				t.Errorf("%s %s: %s", proto, target, answer.Status)
			}
		}
	}
}
