package policy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"privyseal/authz"
	"privyseal/authz/policy"
)

func TestModeAndClaimHeadersAreInherited(t *testing.T) {
	p := compile(t, within("corp"),
		policy.Rule{Name: "top", Audience: "app", Mode: "report", ClaimHeaders: map[string]string{"x-team": "team", "x-who": "email"}, Rules: []policy.Rule{
			{Name: "same", Allow: anybody},
			{Name: "own", Mode: "enforce", ClaimHeaders: map[string]string{"x-floor": "floor"}, Allow: anybody},
			{Name: "bare", ClaimHeaders: map[string]string{}, Allow: anybody},
			public("open", policy.Match{}),
		}},
		policy.Rule{Name: "plain", Audience: "app", Allow: anybody},
	)
	var got []string
	for _, r := range p.Rules() {
		got = append(got, fmt.Sprintf("%s %v %v", r.Name, r.Report, r.ClaimHeaders))
	}
	want := []string{
		"same true [{x-team team} {x-who email}]",
		"own false [{x-floor floor}]",
		"bare true []",
		"open false []",
		"plain false []",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rules\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := p.ClaimHeaders(); !slices.Equal(got, []string{"x-floor", "x-team", "x-who"}) {
		t.Errorf("owned headers: %q", got)
	}
}

// TestReportModeLeavesTheVerdictToTheJudge: what is let through is the
// authorizer's affair, so that tools see the verdict.
func TestReportModeLeavesTheVerdictToTheJudge(t *testing.T) {
	rule := policy.Rule{Mode: "report", Allow: policy.Clauses{{Groups: []string{"staff"}}}, Deny: policy.Clauses{{Groups: []string{"suspended"}, Detail: "no"}}}
	for want, groups := range map[string][]string{"allowed": {"staff"}, "not_allowed": {"guests"}, "denied_by_rule: no": {"suspended"}} {
		if got := judged(t, within("corp"), rule, authz.Identity{Source: "corp", Subject: "u", Groups: groups}); got != want {
			t.Errorf("%q: %s, want %s", groups, got, want)
		}
	}
}

// TestReportModeMakesTheClaimsOfTheRule: who is let through has the assertion
// that an allowed caller has, and it is not made up where it cannot be made.
func TestReportModeMakesTheClaimsOfTheRule(t *testing.T) {
	for tenant, want := range map[any]string{"acme": "not_allowed [{tenant acme}]", nil: "policy_error"} {
		p := compile(t, within("corp"), policy.Rule{
			Name: "rule", Audience: "app", Mode: "report", Allow: policy.Clauses{{Groups: []string{"staff"}}},
			Claims: map[string]string{"tenant": "identity.claims.tenant"},
		})
		id := authz.Identity{Source: "corp", Subject: "u"}
		if tenant != nil {
			id.Claims = map[string]any{"tenant": tenant}
		}
		extra, err := p.Rules()[0].Judge.Judge(t.Context(), request(t, "GET a.example /"), authz.NewIdentity(id))
		var denial *authz.Denial
		if !errors.As(err, &denial) {
			t.Fatal(err)
		}
		got := string(denial.Reason)
		if extra.Claims != nil {
			got += fmt.Sprint(" ", extra.Claims)
		}
		if got != want {
			t.Errorf("%v: %s, want %s", tenant, got, want)
		}
	}
}
