package e2e

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"privyseal/authz"
	"privyseal/authz/verify"
)

// bindingRules bind all that a request consists of, but for hosts whose routes
// rewrite it.
const bindingRules = `
issuer: https://id.example
identity:
  - jwt: {name: corp, issuer: "%s", audiences: [api], jwks_url: "%s", header: authorization, cookie: corp_token}
rules:
  - name: bound
    match: {hosts: [app.example]}
    audience: app
    bind: [method, host, path, query]
    allow: {groups: [staff]}
    # The routes of this host rewrite the path or the host.
  - {name: rewritten, match: {hosts: [rewritten.example]}, audience: app, bind: [method, query], allow: {groups: [staff]}}
  - {name: held, match: {hosts: [held.example]}, audience: app, bind: [certificate], allow: {groups: [staff]}}
`

// received is the request that reached the echo, as net/http in its place would
// read it from the connection.
func received(t *testing.T, head string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\n")))
	if err != nil {
		t.Fatalf("%v\n%s", err, head)
	}
	return r
}

// binder is how the application of bindingRules verifies; c says what it demands.
func (w *world) binder(t *testing.T, c verify.Config) *verify.Verifier {
	t.Helper()
	c.Keys = verify.Remote(fmt.Sprintf("http://127.0.0.1:%d/.well-known/jwks.json", w.service.http), verify.Options{})
	t.Cleanup(c.Keys.Close)
	c.Issuer, c.Audience = "https://id.example", "app"
	v, err := verify.New(c)
	must(t, err)
	return v
}

// overHTTP2 sends a request to Envoy over HTTP/2 without TLS.
func (w *world) overHTTP2(t *testing.T, method, host, target, token string) response {
	t.Helper()
	transport := &http.Transport{Protocols: &http.Protocols{}}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", w.port, target), nil)
	must(t, err)
	r.Host = host
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := transport.RoundTrip(r)
	must(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	return response{answer.StatusCode, answer.Header, string(body)}
}

// http2Echo is an application that speaks HTTP/2 and answers with what net/http
// made of the request, written as the echo writes it.
func http2Echo(t *testing.T) (port int) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			http.Error(w, "not HTTP/2", http.StatusHTTPVersionNotSupported)
			return
		}
		fmt.Fprintf(w, "%s %s HTTP/1.1\r\nhost: %s\r\n%s: %s\r\n", r.Method, r.RequestURI, r.Host,
			authz.DefaultHeader, strings.Join(r.Header.Values(authz.DefaultHeader), ","))
	}))
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr).Port
}

// TestBinding: what privyseal digests is what the application receives, byte for
// byte, through both protocols on either side; and an assertion is refused with a request that
// differs from its own in anything.
func TestBinding(t *testing.T) {
	for name, k := range map[string]knobs{
		"plain":                   {},
		"Envoy tidies paths":      {Normalize: true, RawHeaders: true},
		"application over HTTP/2": {Application: http2Echo(t)},
	} {
		t.Run(name, func(t *testing.T) {
			k.rules = bindingRules
			w := ordinary(t, k)
			verifier := w.binder(t, verify.Config{Bind: []string{"method", "host", "path", "query"}})
			for _, c := range []struct{ method, host, target string }{
				{"GET", "app.example", "/"},
				{"GET", "app.example", "/?"},
				{"GET", "app.example", "/orders?from=1&to=2?3"},
				{"DELETE", "app.example", "/orders/1"},
				{"GET", "app.example:8443", "/"},
				{"GET", "App.EXAMPLE", "/"},
				{"GET", "app.example.", "/"},
				{"GET", "app.example", "/a%2Fb/%2e%2E/c%20d;e=1/%7euser"},
				{"GET", "app.example", "//a//b/./c/../d/"},
				{"GET", "app.example", "/a!b?c=%C3%A9!&d='\"[]"},
			} {
				for proto, r := range map[string]response{
					"HTTP/1.1": w.send(t, fmt.Sprintf("%s %s HTTP/1.1\r\nhost: %s\r\n%s\r\n\r\n", c.method, c.target, c.host, bearer(w.token("alice", "staff")))),
					"HTTP/2":   w.overHTTP2(t, c.method, c.host, c.target, w.token("alice", "staff")),
				} {
					head := r.want(t, 200).body
					jws, request := field(head, authz.DefaultHeader), received(t, head)
					if _, err := verifier.Verify(t.Context(), jws, request); err != nil {
						t.Errorf("%s %v: %v\n%s", proto, c, err, head)
					}
					refusesOthers(t, verifier, jws, head)
				}
			}
		})
	}
}

// A target in absolute form, as clients send to forward proxies, is taken apart
// before anybody is asked.
func TestBindingOfAnAbsoluteTarget(t *testing.T) {
	w := ordinary(t, knobs{rules: bindingRules})
	head := w.send(t, "GET http://app.example:81/a?b HTTP/1.1\r\nhost: other.example\r\n"+bearer(w.token("alice", "staff"))+"\r\n\r\n").want(t, 200).body
	request := received(t, head)
	if request.RequestURI != "/a?b" || request.Host != "app.example:81" {
		t.Errorf("reached the application as %s%s", request.Host, request.RequestURI)
	}
	if _, err := w.binder(t, verify.Config{Bind: []string{"host", "path"}}).Verify(t.Context(), field(head, authz.DefaultHeader), request); err != nil {
		t.Error(err)
	}
}

// refusesOthers presents an assertion with requests that differ from the one it
// was made for in one thing each.
func refusesOthers(t *testing.T, verifier *verify.Verifier, jws, head string) {
	t.Helper()
	for difference, edit := range map[string]func(*http.Request){
		"method": func(r *http.Request) { r.Method = "POST" },
		"host":   func(r *http.Request) { r.Host = "other.example" },
		"port":   func(r *http.Request) { r.Host += ":1" },
		"path":   func(r *http.Request) { r.RequestURI = "/x" + r.RequestURI },
		"query":  func(r *http.Request) { r.RequestURI += "?x" },
	} {
		r := received(t, head)
		edit(r)
		if _, err := verifier.Verify(t.Context(), jws, r); !errors.Is(err, verify.ErrBinding) {
			t.Errorf("another %s: %v", difference, err)
		}
	}
}

// TestBindingToWhatARouteRewrites: Envoy rewrites after it has asked. What is
// rewritten must not be bound; where it is, the application refuses.
func TestBindingToWhatARouteRewrites(t *testing.T) {
	w := ordinary(t, knobs{rules: bindingRules})
	verifier := w.binder(t, verify.Config{Bind: []string{"method", "query"}})
	for _, c := range []struct {
		host, target   string
		got, authority string
		ok             bool
	}{
		{"app.example", "/plain?a=1", "/plain?a=1", "app.example", true},
		{"app.example", "/renamed/1?a=1", "/name/1?a=1", "app.example", false},
		{"app.example", "/rehosted?a=1", "/rehosted?a=1", "other.example", false},
		{"rewritten.example", "/renamed/1?a=1", "/name/1?a=1", "rewritten.example", true},
		{"rewritten.example", "/rehosted?a=1", "/rehosted?a=1", "other.example", true},
	} {
		head := w.send(t, fmt.Sprintf("GET %s HTTP/1.1\r\nhost: %s\r\n%s\r\n\r\n", c.target, c.host, bearer(w.token("alice", "staff")))).want(t, 200).body
		request := received(t, head)
		if request.RequestURI != c.got || request.Host != c.authority {
			t.Fatalf("%s%s reached the application as %s%s", c.host, c.target, request.Host, request.RequestURI)
		}
		_, err := verifier.Verify(t.Context(), field(head, authz.DefaultHeader), request)
		if c.ok && err != nil || !c.ok && !errors.Is(err, verify.ErrBinding) {
			t.Errorf("%s%s: %v", c.host, c.target, err)
		}
	}
}

// TestBindingToACertificate: cnf is the certificate that the client proved to
// Envoy to hold, also where Envoy knows nothing of who issued it.
func TestBindingToACertificate(t *testing.T) {
	ca := newAuthority(t)
	edge, client := ca.issue(t, "held.example", ""), ca.issue(t, "alice", "")
	w := ordinary(t, knobs{rules: bindingRules, TLS: &edgeTLS{edge.certFile, edge.keyFile}})
	ask := func(certificates ...tls.Certificate) response {
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.port), &tls.Config{RootCAs: ca.pool, ServerName: "held.example", Certificates: certificates})
		must(t, err)
		r, err := exchange(conn, "GET / HTTP/1.1\r\nhost: held.example\r\n"+bearer(w.token("alice", "staff"))+"\r\n\r\n")
		must(t, err)
		return r
	}
	ask().want(t, 403)
	head := ask(client.pair).want(t, 200).body
	sum := sha256.Sum256(client.pair.Certificate[0])
	for seen, ok := range map[string]bool{base64.RawURLEncoding.EncodeToString(sum[:]): true, strings.Repeat("A", 43): false} {
		verifier := w.binder(t, verify.Config{
			Bind: []string{"certificate"}, Confirm: func(*http.Request) (string, bool) { return seen, true },
		})
		if _, err := verifier.Verify(t.Context(), field(head, authz.DefaultHeader), received(t, head)); (err == nil) != ok {
			t.Errorf("certificate %s: %v", seen, err)
		}
	}
}
