package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"privyseal/authz"
)

// The matrix: what a client can send, against what reaches the application,
// with both forms in which Envoy sends headers.
func TestMatrix(t *testing.T) {
	for _, form := range []struct {
		name string
		raw  bool
	}{{"header map", false}, {"raw headers", true}} {
		t.Run(form.name, func(t *testing.T) {
			w := ordinary(t, knobs{RawHeaders: form.raw})
			t.Run("allow", w.allow)
			t.Run("deny", w.deny)
			t.Run("forged headers", w.forged)
			t.Run("duplicates", w.duplicates)
			t.Run("cookies", w.cookies)
			t.Run("paths", w.paths)
			t.Run("CONNECT", w.connect)
			t.Run("gRPC client", w.grpcClient)
			t.Run("websocket", w.websocket)
			t.Run("internal redirect", w.internalRedirect)
			t.Run("audience from the route", w.audienceFromRoute)
			t.Run("one id everywhere", w.oneID)
		})
	}
}

func (w *world) allow(t *testing.T) {
	r := w.get(t, "/v1/orders?x=1", bearer(w.token("alice", "staff"))).want(t, 200)
	a := w.assertion(t, r, "app")
	if a.Subject != "alice" || a.IdentityProvider != "corp" || !slices.Equal(a.Groups, []string{"staff"}) {
		t.Errorf("assertion: %+v", a)
	}
	if field(r.body, "x-user") != "alice" || field(r.body, "x-groups") != "staff" {
		t.Errorf("claim headers:\n%s", r.body)
	}
	if field(r.body, "authorization") != "" {
		t.Error("the credential reached the application")
	}
	if w.get(t, "/healthz").want(t, 200); field(w.get(t, "/healthz").body, authz.DefaultHeader) != "" {
		t.Error("a public route carries an assertion")
	}
}

func (w *world) deny(t *testing.T) {
	for name, c := range map[string]struct {
		lines  []string
		status int
		reason string
	}{
		"no credential":    {nil, 401, "unauthenticated"},
		"garbage":          {[]string{bearer("x")}, 401, "invalid_credential"},
		"wrong group":      {[]string{bearer(w.token("bob", "guests"))}, 403, "not_allowed"},
		"suspended":        {[]string{bearer(w.token("eve", "staff", "suspended"))}, 403, "denied_by_rule"},
		"wrong audience":   {[]string{bearer(w.issuer.Assertion("other", "alice", nil))}, 401, "invalid_credential"},
		"expired":          {[]string{bearer(w.issuer.Assertion("api", "alice", map[string]any{"exp": 1000, "iat": 900}))}, 401, "expired_credential"},
		"foreign issuer":   {[]string{bearer(w.issuer.Assertion("api", "alice", map[string]any{"iss": "https://evil.example"}))}, 401, "unknown_issuer"},
		"other host":       {[]string{"host: elsewhere.example"}, 400, ""},
		"groups not known": {[]string{bearer(w.issuer.Assertion("api", "alice", map[string]any{"groups": "staff"}))}, 403, "groups_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.get(t, "/v1", c.lines...).want(t, c.status)
			if c.reason != "" && !strings.Contains(r.body, `"reason":"`+c.reason+`"`) {
				t.Errorf("body: %s", r.body)
			}
			if r.header.Get("cache-control") != "no-store" || r.header.Get("x-privyseal-decision") == "" {
				t.Errorf("headers: %v", r.header)
			}
			if c.status == 401 && !strings.HasPrefix(r.header.Get("www-authenticate"), "Bearer") {
				t.Errorf("challenge: %q", r.header.Get("www-authenticate"))
			}
		})
	}
}

// spoofs are forty spellings of the headers that an application believes.
func spoofs() []string {
	var list []string
	for _, name := range []string{
		"x-pomerium-jwt-assertion", "X-Pomerium-Jwt-Assertion", "X-POMERIUM-JWT-ASSERTION", "x-pomerium-jwt_assertion",
		"x-pomerium_jwt-assertion", "x_pomerium-jwt-assertion", "x_pomerium_jwt_assertion", "X_Pomerium_JWT_Assertion",
		"x-pomerium_jwt_assertion", "x_pomerium_jwt-assertion", "x_pomerium-jwt_assertion",
		"x-pomerium-jwt-assertion-for", "X-Pomerium-Jwt-Assertion-For", "x_pomerium_jwt_assertion_for", "x-pomerium-jwt-assertion_for",
		"x-pomerium-claim-email", "x-pomerium-claim-groups", "x_pomerium_claim_email", "X-Pomerium-Claim-Sub", "x-pomerium-anything",
		"x-pomerium-routing-key", "x_pomerium_anything",
		"x-user", "X-User", "x_user", "X_USER", "X-uSeR", "x-groups", "X-Groups", "x_groups", "X_Groups", "x-GROUPS",
	} {
		list = append(list, name+": SPOOF")
	}
	return append(list,
		"x-user:SPOOF", "x-user:   SPOOF   ", "x-user: a,SPOOF", "x-groups: SPOOF,staff",
		"x-pomerium-jwt-assertion:SPOOF", "x-pomerium-jwt-assertion: SPOOF,SPOOF", "x-pomerium-jwt-assertion: eyJhbGciOiJub25lIn0.SPOOF.", "X-User: SPOOF\xff",
	)
}

func (w *world) forged(t *testing.T) {
	token := w.token("alice", "staff")
	for _, spoof := range spoofs() {
		t.Run(spoof, func(t *testing.T) {
			r := w.get(t, "/v1", bearer(token), spoof, spoof).want(t, 200)
			w.assertion(t, r, "app")
			if strings.Contains(r.body, "SPOOF") {
				t.Errorf("reached an application behind a signing rule:\n%s", r.body)
			}
			r = w.get(t, "/healthz", spoof, spoof).want(t, 200)
			if strings.Contains(r.body, "SPOOF") || field(r.body, authz.DefaultHeader) != "" {
				t.Errorf("reached an application behind a public rule:\n%s", r.body)
			}
		})
	}
	if n := len(spoofs()); n < 40 {
		t.Errorf("%d spellings", n)
	}
}

func (w *world) duplicates(t *testing.T) {
	a, b := w.token("alice", "staff"), w.token("bob", "staff")
	for name, lines := range map[string][]string{
		"two credentials":    {bearer(a), bearer(b)},
		"the same twice":     {bearer(a), bearer(a)},
		"merged by hand":     {"authorization: Bearer " + a + ",Bearer " + b},
		"header and cookie":  {bearer(a), "cookie: corp_token=" + b},
		"two cookies":        {"cookie: corp_token=" + a + "; corp_token=" + b},
		"two cookie lines":   {"cookie: corp_token=" + a, "cookie: corp_token=" + b},
		"two hosts":          {"host: app.example", bearer(a)},
		"a list in one host": {bearer(a)},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.get(t, "/v1", lines...)
			if name == "a list in one host" {
				r = w.send(t, "GET /v1 HTTP/1.1\r\nhost: app.example,evil.example\r\n"+bearer(a)+"\r\n\r\n")
			}
			r.want(t, 400)
		})
	}
}

func (w *world) cookies(t *testing.T) {
	token := w.token("alice", "staff")
	for name, c := range map[string]struct {
		lines []string
		want  []string
		gone  bool
	}{
		"credential among others": {[]string{"cookie: a=1; corp_token=" + token + "; b=2"}, []string{"a=1", "b=2"}, false},
		"on a line of its own":    {[]string{"cookie: a=1", "cookie: corp_token=" + token}, []string{"a=1"}, false},
		"alone":                   {[]string{"cookie: corp_token=" + token}, nil, true},
		"ours beside it":          {[]string{bearer(token), "cookie: __Host-privyseal_s=secret; a=1"}, []string{"a=1"}, false},
		"ours on a second line":   {[]string{bearer(token), "cookie: a=1", "cookie: __Host-privyseal_s=secret"}, []string{"a=1"}, false},
		"not ours":                {[]string{bearer(token), "cookie: a=1,2; b=x"}, []string{"a=1,2", "b=x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.get(t, "/v1", c.lines...).want(t, 200)
			cookies := strings.Join(fields(r.body, "cookie"), "; ")
			if strings.Contains(cookies, "corp_token") || strings.Contains(cookies, "privyseal") {
				t.Errorf("a credential reached the application: %s", cookies)
			}
			if c.gone != (cookies == "") {
				t.Errorf("cookies: %q", cookies)
			}
			for _, want := range c.want {
				if !strings.Contains(cookies, want) {
					t.Errorf("cookies %q lack %q", cookies, want)
				}
			}
		})
	}
}

// paths are ways to spell /healthz, which is public, and not mean it.
func (w *world) paths(t *testing.T) {
	for _, path := range []string{
		"//healthz", "/healthz/..", "/x/../healthz", "/./healthz", "/healthz;a=b", "/healthz%2f..%2fv1", "/%2e/healthz",
		"/healthz%00", "/healthz%5c..", `/healthz\..`, "/healthz%3b", "/healthz%252e", "/healthz%zz", "/%2568ealthz",
	} {
		t.Run(path, func(t *testing.T) {
			w.get(t, path).want(t, 400)
		})
	}
	w.get(t, "/%68ealthz?x=/../").want(t, 200)
	w.get(t, "/HEALTHZ").want(t, 401)
	w.get(t, "/healthz/").want(t, 401)
}

func (w *world) connect(t *testing.T) {
	request := "CONNECT app.example:443 HTTP/1.1\r\nhost: app.example:443\r\n%s\r\n"
	w.send(t, fmt.Sprintf(request, "")).want(t, 401)
	w.send(t, fmt.Sprintf(request, bearer(w.token("alice", "staff"))+"\r\n")).want(t, 200)
}

func (w *world) grpcClient(t *testing.T) {
	r := w.send(t, "POST /pkg.Service/Method HTTP/1.1\r\nhost: app.example\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n").want(t, 200)
	if r.header.Get("grpc-status") != "16" || !strings.HasPrefix(r.header.Get("grpc-message"), "unauthenticated") {
		t.Errorf("headers: %v", r.header)
	}
}

func (w *world) websocket(t *testing.T) {
	upgrade := "GET /ws HTTP/1.1\r\nhost: app.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n%s\r\n"
	w.send(t, fmt.Sprintf(upgrade, "")).want(t, 401)
	w.send(t, fmt.Sprintf(upgrade, bearer(w.token("alice", "staff"))+"\r\n")).want(t, 101)
}

// internalRedirect: Envoy checks again and shows the second check our own
// assertion, which is no credential; the real one was removed.
func (w *world) internalRedirect(t *testing.T) {
	w.get(t, "/redirect", bearer(w.token("alice", "staff"))).want(t, 401)
}

func (w *world) audienceFromRoute(t *testing.T) {
	r := w.get(t, "/routed/x", bearer(w.token("alice", "staff"))).want(t, 200)
	w.assertion(t, r, "from-route")
	w.get(t, "/unaudienced/x", bearer(w.token("alice", "staff"))).want(t, 403)
}

// oneID: the decision's id is in the assertion, the record and Envoy's access
// log, and on a denial.
func (w *world) oneID(t *testing.T) {
	a := w.assertion(t, w.get(t, "/v1/secret-path?token=secret", bearer(w.token("alice", "staff"))).want(t, 200), "app")
	record := w.service.decisions.find(t, a.ID)
	if record["reason"] != "allowed" || record["rule"] != "app" || record["subject"] != "alice" || record["kid"] != a.KeyID || record["audience"] != "app" {
		t.Errorf("record: %v", record)
	}
	if text, _ := json.Marshal(record); strings.Contains(string(text), "secret") {
		t.Errorf("the record holds a path or a query: %s", text)
	}
	denied := w.get(t, "/v1").want(t, 401).header.Get("x-privyseal-decision")
	if record := w.service.decisions.find(t, denied); record["outcome"] != "deny" {
		t.Errorf("record: %v", record)
	}
	for _, id := range []string{a.ID, denied} {
		if !w.logged(id) {
			t.Errorf("decision %s is not in Envoy's access log", id)
		}
	}
}

// logged waits for Envoy to write its access log, which it does once a second.
func (w *world) logged(id string) bool {
	for range waits(t5) {
		if text, _ := os.ReadFile(w.accessLog); strings.Contains(string(text), id) {
			return true
		}
	}
	return false
}
