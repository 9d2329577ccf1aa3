package e2e

import (
	"os"
	"strings"
	"testing"
)

const reported = `
issuer: https://id.example
identity:
  - jwt: {name: corp, issuer: "%s", audiences: [api], jwks_url: "%s", header: authorization}
rules:
  - name: trial
    match: {hosts: [app.example]}
    audience: app
    mode: report
    claims: {who: identity.subject}
    claim_headers: {x-who: who}
    deny: {groups: [suspended]}
    allow: {groups: [board]}
`

// TestReportMode: the application sees no difference, Envoy's access log and the
// record do. Deny clauses and authentication are enforced.
func TestReportMode(t *testing.T) {
	w := ordinary(t, knobs{rules: reported})
	w.get(t, "/v1").want(t, 401)
	w.get(t, "/v1", bearer(w.token("eve", "board", "suspended"))).want(t, 403)
	for _, group := range []string{"board", "staff"} {
		r := w.get(t, "/v1", bearer(w.token("alice", group))).want(t, 200)
		if field(r.body, "x-who") != "alice" || field(r.body, "x-pomerium-jwt-assertion") == "" {
			t.Errorf("%s:\n%s", group, r.body)
		}
	}
	for range waits(t5) {
		text, _ := os.ReadFile(w.accessLog)
		switch strings.Count(string(text), `"would_deny":"not_allowed"`) {
		case 0:
			continue
		case 1:
			return // of the two that were let through, one
		}
		t.Fatalf("Envoy's access log:\n%s", text)
	}
	t.Error("Envoy's access log does not say what would have been denied")
}
