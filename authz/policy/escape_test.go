package policy_test

import (
	"testing"

	"privyseal/authz"
	"privyseal/authz/policy"
)

// TestDenyClausesAreNotEscaped: who says less, or less clearly, is not better off.
func TestDenyClausesAreNotEscaped(t *testing.T) {
	anybody := policy.Clauses{{Authenticated: true}}
	domain := policy.Clauses{{Domains: []string{"contractor.example"}}}
	email := policy.Clauses{{Emails: []string{"eve@*"}}}
	groups := policy.Clauses{{Groups: []string{"suspended"}}}
	for name, c := range map[string]struct {
		deny policy.Clauses
		id   authz.Identity
		want authz.Reason
	}{
		"verified":              {domain, authz.Identity{Email: "e@contractor.example", EmailVerified: true}, authz.DeniedByRule},
		"not verified":          {domain, authz.Identity{Email: "e@contractor.example"}, authz.DeniedByRule},
		"upper case":            {domain, authz.Identity{Email: "E@Contractor.EXAMPLE"}, authz.DeniedByRule},
		"a trailing dot":        {domain, authz.Identity{Email: "e@contractor.example."}, authz.DeniedByRule},
		"two of @":              {domain, authz.Identity{Email: "e@x@contractor.example"}, authz.DeniedByRule},
		"no address at all":     {domain, authz.Identity{}, authz.Allowed},
		"another domain":        {domain, authz.Identity{Email: "e@corp.example"}, authz.Allowed},
		"an address, unclear":   {email, authz.Identity{Email: "@"}, authz.DeniedByRule},
		"an address":            {email, authz.Identity{Email: "eve@corp.example"}, authz.DeniedByRule},
		"in the group":          {groups, authz.Identity{Groups: []string{"suspended"}}, authz.DeniedByRule},
		"in no group":           {groups, authz.Identity{Groups: []string{}}, authz.Allowed},
		"groups not mentioned":  {groups, authz.Identity{GroupsAbsent: true}, authz.DeniedByRule},
		"groups not all known":  {groups, authz.Identity{GroupsUnknown: true}, authz.GroupsUnknown},
		"absent, not asked for": {domain, authz.Identity{GroupsAbsent: true}, authz.Allowed},
	} {
		p, err := policy.Compile([]policy.Rule{{Name: "r", Match: policy.Match{Hosts: []string{"app.example"}}, Audience: "a", Deny: c.deny, Allow: anybody}},
			policy.Env{Sources: []policy.Source{{Name: "corp"}}})
		if err != nil {
			t.Fatal(err)
		}
		c.id.Source, c.id.Subject = "corp", "eve"
		_, err = p.Rules()[0].Judge.Judge(t.Context(), nil, authz.NewIdentity(c.id))
		got := authz.Allowed
		if denial, ok := err.(*authz.Denial); ok {
			got = denial.Reason
		} else if err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestOneAudienceHearsOneSubject: whichever rules let two people in, an
// application tells them apart by sub.
func TestOneAudienceHearsOneSubject(t *testing.T) {
	rule := func(name, source, audience, from string) policy.Rule {
		return policy.Rule{Name: name, Match: policy.Match{Hosts: []string{name + ".example"}}, Audience: audience, AudienceFrom: from,
			Authenticate: []string{source}, Allow: policy.Clauses{{Authenticated: true}}}
	}
	for name, c := range map[string]struct {
		rules []policy.Rule
		want  []int // sources that each rule's audience hears
	}{
		"one audience":          {[]policy.Rule{rule("a", "corp", "x", ""), rule("b", "partner", "x", "")}, []int{2, 2}},
		"two audiences":         {[]policy.Rule{rule("a", "corp", "x", ""), rule("b", "partner", "y", "")}, []int{1, 1}},
		"the route may say any": {[]policy.Rule{rule("a", "corp", "x", ""), rule("b", "partner", "", "context")}, []int{2, 2}},
		"hosts are audiences":   {[]policy.Rule{rule("a", "corp", "", ""), rule("b", "partner", "a.example", "")}, []int{2, 2}},
		"one source, two rules": {[]policy.Rule{rule("a", "corp", "x", ""), rule("b", "corp", "x", "")}, []int{1, 1}},
	} {
		p, err := policy.Compile(c.rules, policy.Env{Sources: []policy.Source{{Name: "corp"}, {Name: "partner"}}})
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range p.Rules() {
			if len(r.Sources) != c.want[i] {
				t.Errorf("%s: rule %s: %v", name, r.Name, r.Sources)
			}
		}
	}
}
