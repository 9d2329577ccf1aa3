package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"privyseal/authz"
	"privyseal/authz/policy"
)

// told writes an explanation as a tree.
func told(e policy.Explanation) string {
	var b strings.Builder
	name := "none"
	if e.Rule != nil {
		name = e.Rule.Name
	}
	fmt.Fprintf(&b, "rule %s: %v\n", name, e.Denial)
	for _, c := range e.Clauses {
		fmt.Fprintf(&b, "%s holds=%v decides=%v %v\n", c.Path, c.Holds, c.Decides, c.Err)
		for _, k := range c.Keys {
			fmt.Fprintf(&b, "  %s %v %v\n", k.Name, k.Holds, k.Err)
			for _, v := range k.Values {
				fmt.Fprintf(&b, "    %d:%d %s = %s\n", v.Line, v.Column, v.Text, v.Value)
			}
		}
	}
	return b.String()
}

func TestExplain(t *testing.T) {
	p := compile(t, clocked(), policy.Rule{
		Name: "orders", Match: policy.Match{Hosts: []string{"shop.example"}}, Audience: "a",
		Deny: policy.Clauses{{Groups: []string{"suspended"}}, {When: `request.path.startsWith("/v1/internal")`}},
		Allow: policy.Clauses{
			{Subjects: []string{"bob"}, When: "true"},
			{Groups: []string{"staff"}, When: "identity.email_verified &&\n  identity.groups.exists(g, g == \"board\") || identity.claims.level > 2"},
			{When: `identity.claims.absent == 1`},
		},
		Claims: map[string]string{"tenant": "identity.claims.tenant"},
	}, public("health", policy.Match{Paths: []string{"/healthz"}, Hosts: []string{"b.example"}}))
	r, id := full(t)
	e, err := p.Explain(t.Context(), r, authz.NewIdentity(id))
	want := `rule orders: <nil>
deny[0] holds=false decides=false <nil>
  from true <nil>
  groups false <nil>
deny[1] holds=false decides=false <nil>
  from true <nil>
  when false <nil>
    1:24 request.path.startsWith("/v1/internal") = false
    1:8 request.path = "/v1/café"
allow[0] holds=false decides=false <nil>
  from true <nil>
  subjects false <nil>
  when true <nil>
allow[1] holds=true decides=true <nil>
  from true <nil>
  groups true <nil>
  when true <nil>
    2:43 identity.email_verified && identity.groups.exists(g, g == "board") || identity.claims.level > 2 = true
    1:25 identity.email_verified && identity.groups.exists(g, g == "board") = false
    1:9 identity.email_verified = true
    2:25 identity.groups.exists(g, g == "board") = false
    2:68 identity.claims.level > 2 = true
    2:61 identity.claims.level = 3
allow[2] holds=false decides=false policy_error: an expression of the rule could not be evaluated
  from true <nil>
  when false policy_error: an expression of the rule could not be evaluated
    1:24 identity.claims.absent == 1 = error: what it reads is absent; ask has() or 'in' first
    1:16 identity.claims.absent = error: what it reads is absent; ask has() or 'in' first
`
	if got := told(e); err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	if len(e.Extra.Claims) != 1 || e.Extra.Claims[0].Value != "acme" {
		t.Errorf("claims %v", e.Extra)
	}

	id.Groups = []string{"suspended"}
	e, err = p.Explain(t.Context(), r, authz.NewIdentity(id))
	if err != nil || e.Denial == nil || e.Denial.Reason != authz.DeniedByRule || !e.Clauses[0].Decides || e.Clauses[3].Decides {
		t.Errorf("%v\n%s", err, told(e))
	}
	for line, want := range map[string]string{"GET b.example /healthz": "rule health: <nil>\n", "GET c.example /": "rule none: no_rule\n", "GET shop.example /": "rule orders: <nil>\n"} {
		e, err := p.Explain(t.Context(), request(t, line), nil)
		if got := told(e); err != nil || got != want {
			t.Errorf("%s, nobody: %v %s", line, err, got)
		}
	}
	id.Source = "edge"
	if _, err := p.Explain(t.Context(), r, authz.NewIdentity(id)); err == nil {
		t.Error("a fault is no explanation")
	}
}
