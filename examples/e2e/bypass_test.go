package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// guarded are rules around one application, most of which refuse staff. Every
// host, path, method and header here is a way in for who finds a spelling that
// the rules read in one way and Envoy or the application in another.
const guarded = `
issuer: https://id.example
identity:
  - jwt: {name: corp, issuer: "%s", audiences: [api], jwks_url: "%s", header: authorization}
rules:
  - {name: admin, match: {hosts: [app.example], paths: [/admin, "/admin/**"]}, audience: admin, allow: {groups: [admins]}}
  - {name: erase, match: {hosts: [app.example], methods: [DELETE]}, audience: app, allow: {groups: [admins]}}
  - {name: rpc, match: {hosts: [app.example], grpc: [pkg.Ledger/Get]}, audience: app, allow: {groups: [staff]}}
  - {name: no-other-way, match: {hosts: [app.example], paths: ["/pkg.Ledger/*"]}, audience: app, allow: []}
  - {name: inside, match: {hosts: [app.example], paths: ["/inside/**"], networks: [10.0.0.0/8]}, audience: app, allow: {groups: [staff]}}
  - {name: outside, match: {hosts: [app.example], paths: ["/inside/**"]}, audience: app, allow: []}
  - {name: blocked, match: {hosts: [app.example], paths: ["/flags/**"]}, audience: app,
     deny: {when: '"x-block" in request.headers && request.headers["x-block"] == "1"'}, allow: {groups: [staff]}}
  - {name: asked, match: {hosts: [app.example], paths: ["/asked/**"]}, audience: app, allow: {groups: [staff], when: 'request.headers["x-tier"] == "gold"'}}
  - {name: app, match: {hosts: [app.example]}, audience: app, allow: {groups: [staff]}}
  - name: conditions
    match: {hosts: [conditions.example]}
    audience: app
    deny: [{when: 'request.path == "/admin" || request.path.startsWith("/admin/")'}, {when: 'request.query.contains("debug")'}]
    allow: {groups: [staff]}
`

// way is a request, as a client writes it, that must not reach the application.
type way struct{ line, host, headers string }

func (p way) String() string { return strings.TrimSpace(p.line + " " + p.host + " " + p.headers) }

// ways are ways around the rules of guarded, by the class of advisory that they
// belong to.
func ways() map[string][]way {
	list := map[string][]way{}
	for class, paths := range map[string][]string{
		"dot segments":           {"/v1/../admin/x", "/./admin/x", "/v1/..%2fadmin/x", "/%2e%2e/admin/x", "/v1/%2E%2E/admin", "/v1/.%2e/admin/x"},
		"slashes":                {"//admin/x", "/admin//x", "///admin", "/%2fadmin/x", "/admin%2fx", `/\admin/x`, "/%5cadmin/x", "/admin%5cx"},
		"path parameters":        {"/admin;x", "/admin;x=1/y", "/;/admin/x", "/admin%3bx/y", "/v1;/../admin/x"},
		"encoding":               {"/%61dmin/x", "/admi%6E/x", "/%2561dmin/x", "/admin%00", "/%00admin/x", "/adm%zzin/x"},
		"bytes beyond ASCII":     {"/admin/\xff", "/\xc0\xaf/admin/x", "/admin\xff/../admin/x"},
		"fragment":               {"/admin/x#y", "/v1#/../admin", "/#/admin"},
		"absolute target":        {"http://app.example/admin/x", "http://app.example//admin/x", "http://app.example:80/admin"},
		"query for path":         {"/admin?/v1", "/admin/x?a=/healthz", "/admin?;"},
		"the path without slash": {"admin/x", "?/admin"},
	} {
		for _, path := range paths {
			list[class] = append(list[class], way{line: "GET " + path})
			if class != "absolute target" {
				list[class+", in conditions"] = append(list[class+", in conditions"], way{line: "GET " + path, host: "conditions.example"})
			}
		}
	}
	list["query, in conditions"] = []way{{"GET /v1?debug", "conditions.example", ""}, {"GET /v1?a=%2f&debug=1", "conditions.example", ""}, {"GET /?debug#", "conditions.example", ""}}
	for _, host := range []string{"APP.example", "app.example.", "app.example:8443", "app.example..", "app.example:", "app.example,app.example", "app.example:80:80",
		"a@app.example", "app.example@b", "[app.example]", "app.example/v1", "app.example\xff", "app\xe3\x80\x82example", "evil.example", ""} {
		list["host"] = append(list["host"], way{"GET /admin/x", host, ""})
	}
	list["host"] = append(list["host"], way{"GET http://app.example/admin/x", "evil.example", ""}, way{"GET http://evil.example/v1", "app.example", ""},
		way{"GET /admin/x", "app.example", "x-forwarded-host: evil.example"}, way{"GET /v1", "evil.example", "x-forwarded-host: app.example"})
	for _, line := range []string{"DELETE /v1", "delete /v1", "DeLeTe /v1", "DELETE\t/v1", "DELETE! /v1"} {
		list["method"] = append(list["method"], way{line: line})
	}
	for _, header := range []string{"x-envoy-original-path: /v1", "x-original-url: /v1", "x-rewrite-url: /v1", "x-forwarded-uri: /v1", "x-forwarded-path: /v1",
		"x-http-method-override: GET", "x-forwarded-prefix: /v1", "x-envoy-original-method: GET", ":path: /v1", "x-original-uri: /v1"} {
		list["headers that name another path"] = append(list["headers that name another path"], way{"GET /admin/x", "", header}, way{"DELETE /v1", "", header})
	}
	for _, headers := range []string{"x-block: 1", "X-BLOCK: 1", "x-block: 0\r\nx-block: 1", "x-block: 1\r\nx-block: 0", "x-block: 0,1", "x-block: 1\r\nx-block:", "x-block:\t1 "} {
		list["repeated headers, in deny clauses"] = append(list["repeated headers, in deny clauses"], way{"GET /flags/x", "", headers})
	}
	for _, headers := range []string{"", "x-tier: silver\r\nx-tier: gold", "x-tier: gold\r\nx-tier: silver", "x-tier: gold,silver", "x-tier: gold\xff", "x_tier: gold", "x-tier: Gold"} {
		list["repeated headers, in allow clauses"] = append(list["repeated headers, in allow clauses"], way{"GET /asked/x", "", headers})
	}
	for _, headers := range []string{"content-type: application/json", "content-type: application/grpc\r\ncontent-type: text/plain", "content-type: application/grpcx",
		"content-type: text/plain\r\ncontent-type: application/grpc", "content-type: application/grpc,text/plain", "x-content-type: application/grpc", ""} {
		list["content type of gRPC"] = append(list["content type of gRPC"], way{"POST /pkg.Ledger/Get", "", headers + "\r\ncontent-length: 0"})
	}
	list["content type of gRPC"] = append(list["content type of gRPC"], way{"GET /pkg.Ledger/Get", "", "content-type: application/grpc"}, way{"POST /pkg.Ledger/Other", "", "content-type: application/grpc\r\ncontent-length: 0"})
	for _, header := range []string{"", "x-forwarded-for: 10.0.0.1", "x-forwarded-for: 10.0.0.1, 10.0.0.2", "x-real-ip: 10.0.0.1", "forwarded: for=10.0.0.1", "x-envoy-external-address: 10.0.0.1", "true-client-ip: 10.0.0.1"} {
		list["address of the client"] = append(list["address of the client"], way{"GET /inside/x", "", header})
	}
	for _, headers := range []string{"connection: upgrade\r\nupgrade: websocket", "connection: upgrade\r\nupgrade: h2c", "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__", "connection: upgrade\r\nupgrade: x"} {
		list["upgrades"] = append(list["upgrades"], way{"GET /admin/x", "", headers})
	}
	list["headers of one connection"] = []way{{"GET /admin/x", "", "connection: authorization"}, {"GET /admin/x", "", "te: trailers\r\ntrailer: authorization"}}
	return list
}

// TestWaysAround: with both forms in which Envoy sends headers, and whether or
// not it tidies paths, no way around a rule reaches the application. Who may do
// reaches it the same way.
func TestWaysAround(t *testing.T) {
	for name, k := range map[string]knobs{
		"as written":             {},
		"raw headers":            {RawHeaders: true},
		"Envoy tidies paths":     {Normalize: true},
		"tidied and raw headers": {Normalize: true, RawHeaders: true},
	} {
		t.Run(name, func(t *testing.T) {
			k.rules, k.Edge = guarded, true
			w := ordinary(t, k)
			staff, admin := bearer(w.token("alice", "staff")), bearer(w.token("root", "staff", "admins"))
			for _, line := range []string{"GET /v1", "GET /flags/x", "POST /v1", "GET /administrators", "GET /v1/admin"} {
				w.write(t, way{line: line}, staff).want(t, 200)
			}
			w.write(t, way{"GET /v1?x=/admin", "conditions.example", ""}, staff).want(t, 200)
			w.write(t, way{"GET /asked/x", "", "x-tier: gold"}, staff).want(t, 200)
			w.write(t, way{"POST /pkg.Ledger/Get", "", "content-type: application/grpc\r\ncontent-length: 0"}, staff).want(t, 200)
			w.write(t, way{line: "GET /admin/x"}, admin).want(t, 200)
			w.write(t, way{line: "DELETE /v1"}, admin).want(t, 200)
			for class, list := range ways() {
				t.Run(class, func(t *testing.T) {
					for _, p := range list {
						if r := w.write(t, p, staff); r.status < 400 && r.header.Get("grpc-status") == "" {
							t.Errorf("%q reached the application: %d\n%s", p, r.status, r.body)
						}
					}
				})
			}
		})
	}
}

// write sends a request whose lines are as a way says.
func (w *world) write(t *testing.T, p way, credential string) response {
	t.Helper()
	host := p.host
	if host == "" {
		host = "app.example"
	}
	headers := p.headers
	if headers != "" {
		headers += "\r\n"
	}
	return w.send(t, fmt.Sprintf("%s HTTP/1.1\r\nhost: %s\r\n%s\r\n%s\r\n", p.line, host, credential, headers))
}

// TestWaysAroundOverHTTP2: the same names in pseudo-headers.
func TestWaysAroundOverHTTP2(t *testing.T) {
	w := ordinary(t, knobs{rules: guarded, Edge: true})
	token := w.token("alice", "staff")
	w.overHTTP2(t, "GET", "app.example", "/v1", token).want(t, 200)
	for _, c := range []struct{ method, host, target string }{
		{"GET", "app.example", "/admin/x"}, {"GET", "APP.example:443", "/admin/x"}, {"GET", "app.example", "/v1/../admin/x"}, {"GET", "app.example", "//admin/x"},
		{"GET", "app.example", "/admin;a/x"}, {"GET", "app.example", "/%61dmin/x"}, {"GET", "app.example", "/v1/%2e%2e/admin/x"}, {"DELETE", "app.example", "/v1"},
		{"DeLETE", "app.example", "/v1"}, {"GET", "evil.example", "/v1"}, {"GET", "conditions.example", "/%61dmin/x"}, {"GET", "conditions.example", "/v1?debug"},
	} {
		if r := w.overHTTP2(t, c.method, c.host, c.target, token); r.status < 400 {
			t.Errorf("%v reached the application: %d\n%s", c, r.status, r.body)
		}
	}
}
