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

// judged is what a rule says about an identity: "allowed", the reason of the
// denial with its detail, or "fault".
func judged(t testing.TB, env policy.Env, rule policy.Rule, id authz.Identity) string {
	t.Helper()
	rule.Name, rule.Audience = "rule", "app"
	matched, denied := compile(t, env, rule).Match(request(t, "GET a.example /"))
	if denied != nil {
		t.Fatal(denied)
	}
	_, err := matched.Judge.Judge(t.Context(), request(t, "GET a.example /"), authz.NewIdentity(id))
	var denial *authz.Denial
	switch {
	case err == nil:
		return "allowed"
	case errors.As(err, &denial):
		return denial.Error()
	}
	return "fault"
}

func TestClauses(t *testing.T) {
	alice := authz.Identity{
		Source: "corp", Subject: "u/1", Email: "Alice@Example.com", EmailVerified: true,
		Groups: []string{"staff", "eng/web", "eng/web/admins"},
	}
	for name, c := range map[string]struct {
		clause policy.Clause
		want   bool
	}{
		"any identity":                {policy.Clause{Authenticated: true}, true},
		"any identity of the source":  {policy.Clause{From: []string{"corp"}}, true},
		"no source":                   {policy.Clause{From: []string{}, Authenticated: true}, false},
		"one of the groups":           {policy.Clause{Groups: []string{"board", "staff"}}, true},
		"another group":               {policy.Clause{Groups: []string{"board"}}, false},
		"a group in another case":     {policy.Clause{Groups: []string{"Staff"}}, false},
		"part of a group":             {policy.Clause{Groups: []string{"staf"}}, false},
		"wildcard":                    {policy.Clause{Groups: []string{"eng/*"}}, true},
		"wildcard beyond a segment":   {policy.Clause{Groups: []string{"*admins"}}, false},
		"no group":                    {policy.Clause{Groups: []string{}}, false},
		"no group, any identity":      {policy.Clause{Groups: []string{}, Authenticated: true}, false},
		"address":                     {policy.Clause{Emails: []string{"alice@example.COM"}}, true},
		"another address":             {policy.Clause{Emails: []string{"malice@example.com"}}, false},
		"addresses of a domain":       {policy.Clause{Emails: []string{"*@example.com"}}, true},
		"addresses of another domain": {policy.Clause{Emails: []string{"*@ample.com"}}, false},
		"no address":                  {policy.Clause{Emails: []string{}}, false},
		"domain":                      {policy.Clause{Domains: []string{"Example.com"}}, true},
		"domain above":                {policy.Clause{Domains: []string{"com"}}, false},
		"domain below":                {policy.Clause{Domains: []string{"eu.example.com"}}, false},
		"no domain":                   {policy.Clause{Domains: []string{}}, false},
		"subject":                     {policy.Clause{Subjects: []string{"u/1"}}, true},
		"subject by wildcard":         {policy.Clause{Subjects: []string{"u/*"}}, true},
		"subject beyond a segment":    {policy.Clause{Subjects: []string{"*"}}, false},
		"no subject":                  {policy.Clause{Subjects: []string{}}, false},
		"every key holds":             {policy.Clause{From: []string{"corp"}, Groups: []string{"staff"}, Domains: []string{"example.com"}, Subjects: []string{"u/1"}}, true},
		"one key does not":            {policy.Clause{Groups: []string{"staff"}, Domains: []string{"example.org"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			want := "not_allowed"
			if c.want {
				want = "allowed"
			}
			if got := judged(t, within("corp"), policy.Rule{Allow: policy.Clauses{c.clause}}, alice); got != want {
				t.Errorf("as allow: %s, want %s", got, want)
			}
			want = "allowed"
			if c.want {
				want = "denied_by_rule: no"
			}
			c.clause.Detail = "no"
			if got := judged(t, within("corp"), policy.Rule{Allow: anybody, Deny: policy.Clauses{c.clause}}, alice); got != want {
				t.Errorf("as deny: %s, want %s", got, want)
			}
		})
	}
}

func TestWildcardsStandForSomethingThatWasSaid(t *testing.T) {
	for _, clause := range []policy.Clause{{Groups: []string{"*"}}, {Subjects: []string{"*"}}, {Emails: []string{"*@*"}}} {
		id := authz.Identity{Source: "corp", Groups: []string{""}, EmailVerified: true}
		if got := judged(t, within("corp"), policy.Rule{Allow: policy.Clauses{clause}}, id); got != "not_allowed" {
			t.Errorf("%v: %s", clause, got)
		}
	}
}

func TestClausesAreAlternativesAndDenyComesFirst(t *testing.T) {
	group := func(name string) policy.Clause { return policy.Clause{Groups: []string{name}} }
	for _, c := range []struct {
		deny, allow policy.Clauses
		want        string
	}{
		{nil, policy.Clauses{group("a"), group("b")}, "allowed"},
		{nil, policy.Clauses{group("x"), group("b")}, "allowed"},
		{nil, policy.Clauses{group("x"), group("y")}, "not_allowed"},
		{nil, policy.Clauses{}, "not_allowed"},
		{policy.Clauses{}, policy.Clauses{group("a")}, "allowed"},
		{policy.Clauses{group("x"), group("b")}, policy.Clauses{group("a")}, "denied_by_rule"},
		{policy.Clauses{group("x"), group("y")}, policy.Clauses{group("a")}, "allowed"},
	} {
		got := judged(t, within("corp"), policy.Rule{Deny: c.deny, Allow: c.allow}, authz.Identity{Source: "corp", Groups: []string{"a", "b"}})
		if got != c.want {
			t.Errorf("deny %v allow %v: %s, want %s", c.deny, c.allow, got, c.want)
		}
	}
}

func TestAddressesCountOnlyIfTheirSourceVouchesForThem(t *testing.T) {
	trusting := within("corp")
	trusting.Sources[0].TrustEmail = true
	rules := map[string]policy.Rule{
		"emails":  {Allow: policy.Clauses{{Emails: []string{"*@example.com"}}}},
		"domains": {Allow: policy.Clauses{{Domains: []string{"example.com"}}}},
	}
	for _, c := range []struct {
		email    string
		verified bool
		env      policy.Env
		want     string
	}{
		{"alice@example.com", true, within("corp"), "allowed"},
		{"alice@example.com", false, within("corp"), "not_allowed"},
		{"alice@example.com", false, trusting, "allowed"},
		{"", true, trusting, "not_allowed"},
		{"alice", true, trusting, "not_allowed"},
		{"@example.com", true, trusting, "not_allowed"},
		{"alice@", true, trusting, "not_allowed"},
		{"alice@evil.example@example.com", true, trusting, "not_allowed"},
		{"alice@example.com@evil.example", true, trusting, "not_allowed"},
		{"alice@example.com.evil.example", true, trusting, "not_allowed"},
		{"alice@example.com\u212a", true, trusting, "not_allowed"},
		{"alice@evil.example/@example.com", true, trusting, "not_allowed"},
	} {
		for key, rule := range rules {
			id := authz.Identity{Source: "corp", Subject: "1", Email: c.email, EmailVerified: c.verified}
			if got := judged(t, c.env, rule, id); got != c.want {
				t.Errorf("%s: %q verified %v: %s, want %s", key, c.email, c.verified, got, c.want)
			}
		}
	}
}

// TestAddressesAreFoldedInASCIIOnly: the Kelvin sign is the lower-case letter k
// to Unicode, and another person to a mail server.
func TestAddressesAreFoldedInASCIIOnly(t *testing.T) {
	rule := policy.Rule{Allow: policy.Clauses{{Emails: []string{"kim@bank.example"}}}}
	for email, want := range map[string]string{"KIM@BANK.EXAMPLE": "allowed", "\u212aim@bank.example": "not_allowed", "kim@ban\u212a.example": "not_allowed"} {
		if got := judged(t, within("corp"), rule, authz.Identity{Source: "corp", Email: email, EmailVerified: true}); got != want {
			t.Errorf("%q: %s, want %s", email, got, want)
		}
	}
}

func TestUnknownGroupsDenyWhereTheyAreRead(t *testing.T) {
	groups, subject := policy.Clause{Groups: []string{"staff"}}, policy.Clause{Subjects: []string{"1"}}
	const unknown = "groups_unknown: a clause of the rule reads groups"
	for _, c := range []struct {
		deny, allow policy.Clauses
		want        string
	}{
		{nil, policy.Clauses{groups}, unknown},
		{nil, policy.Clauses{groups, subject}, unknown},
		{nil, policy.Clauses{subject, groups}, "allowed"},
		{policy.Clauses{groups}, policy.Clauses{subject}, unknown},
		{policy.Clauses{subject, groups}, policy.Clauses{subject}, "denied_by_rule"},
		{nil, policy.Clauses{{Groups: []string{}}}, unknown},
	} {
		id := authz.Identity{Source: "corp", Subject: "1", Groups: []string{"staff"}, GroupsUnknown: true}
		if got := judged(t, within("corp"), policy.Rule{Deny: c.deny, Allow: c.allow}, id); got != c.want {
			t.Errorf("deny %v allow %v: %s, want %s", c.deny, c.allow, got, c.want)
		}
	}
	other := policy.Clauses{{From: []string{"edge"}, Groups: []string{"staff"}}, {From: []string{"corp"}, Subjects: []string{"1"}}}
	id := authz.Identity{Source: "corp", Subject: "1", GroupsUnknown: true}
	if got := judged(t, within("corp", "edge"), policy.Rule{Allow: other}, id); got != "allowed" {
		t.Errorf("a clause about another source read groups: %s", got)
	}
}

// TestWordsOfOneSourceNeverSatisfyAClauseMeantForAnother gives every source the
// same words and asks, for every set of admitted sources and every clause, who
// passes: those alone whom the clause names.
func TestWordsOfOneSourceNeverSatisfyAClauseMeantForAnother(t *testing.T) {
	all := []string{"corp", "edge", "mesh"}
	env := within(all...)
	env.Sources[0].Primary = true
	clauses := []policy.Clause{
		{Authenticated: true},
		{Groups: []string{"staff", "*"}},
		{Emails: []string{"alice@example.com"}},
		{Domains: []string{"example.com"}},
		{Subjects: []string{"alice", "corp/alice", "*"}},
		{Groups: []string{"staff"}, Subjects: []string{"alice"}},
		{When: `"staff" in identity.groups && identity.email == "alice@example.com"`},
	}
	for set := range 1 << len(all) {
		var admitted []string
		for i, name := range all {
			if set>>i&1 == 1 {
				admitted = append(admitted, name)
			}
		}
		for _, from := range admitted {
			for i, clause := range clauses {
				clause.From = []string{from}
				for _, source := range all {
					id := authz.Identity{
						Source: source, Subject: "alice", Groups: []string{"staff"},
						Email: "alice@example.com", EmailVerified: true,
					}
					want := "not_allowed"
					switch {
					case source == from:
						want = "allowed"
					case !slices.Contains(admitted, source):
						want = "fault"
					}
					rule := policy.Rule{Authenticate: admitted, Allow: policy.Clauses{clause}}
					if got := judged(t, env, rule, id); got != want {
						t.Errorf("admits %v, clause %d from %s, identity of %s: %s, want %s", admitted, i, from, source, got, want)
					}
				}
			}
		}
	}
}

func TestJudgeIsBoundedByItsLists(t *testing.T) {
	var groups []string
	for i := range 500 {
		groups = append(groups, fmt.Sprint("group", i, strings.Repeat("a", 200)))
	}
	rule := policy.Rule{Allow: policy.Clauses{{Groups: []string{"group*" + strings.Repeat("a*", 300) + "b"}}}}
	if got := judged(t, within("corp"), rule, authz.Identity{Source: "corp", Groups: groups}); got != "not_allowed" {
		t.Error(got)
	}
}
