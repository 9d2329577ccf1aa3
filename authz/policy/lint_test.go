package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"privyseal/authz/policy"
)

// linted lists findings as "path check".
func linted(p *policy.Policy) []string {
	var list []string
	for _, f := range policy.Lint(p) {
		list = append(list, f.Path+" "+f.Check)
	}
	return list
}

func TestLint(t *testing.T) {
	type match = policy.Match
	staff := policy.Clauses{{Groups: []string{"staff"}}}
	rule := func(name string, m match) policy.Rule {
		return policy.Rule{Name: name, Match: m, Audience: "app", Allow: staff}
	}
	hosts := func(h ...string) match { return match{Hosts: h, Paths: []string{"/v1/**"}} }
	paths := func(p ...string) match { return match{Paths: p} }
	for name, c := range map[string]struct {
		rules []policy.Rule
		want  []string
	}{
		"nothing":               {[]policy.Rule{rule("a", paths("/a/**")), rule("b", paths("/b/**")), rule("c", match{})}, nil},
		"no rules":              {nil, nil},
		"shadowed":              {[]policy.Rule{rule("a", paths("/v1/**")), rule("b", paths("/v1/x/*", "/v1/**/y"))}, []string{"rules[1] shadowed-rule"}},
		"shadowed by two":       {[]policy.Rule{rule("a", paths("/a/**")), rule("b", paths("/b")), rule("c", paths("/a/*", "/b"))}, []string{"rules[2] shadowed-rule"}},
		"shadowed by all paths": {[]policy.Rule{rule("a", paths("/**")), rule("b", match{})}, []string{"rules[1] shadowed-rule"}},
		"CONNECT has no path":   {[]policy.Rule{rule("a", match{Paths: []string{"/**"}, Methods: []string{"GET", "CONNECT"}}), rule("b", match{Methods: []string{"GET", "CONNECT"}})}, nil},
		"a directory is not within itself": {
			[]policy.Rule{rule("a", paths("/v1/**")), rule("b", paths("/v1"))}, nil,
		},
		"one segment is not many": {[]policy.Rule{rule("a", paths("/v1/*")), rule("b", paths("/v1/**"))}, nil},
		"other methods":           {[]policy.Rule{rule("a", match{Methods: []string{"GET"}}), rule("b", match{})}, nil},
		"fewer methods":           {[]policy.Rule{rule("a", match{Methods: []string{"GET", "PUT"}}), rule("b", match{Methods: []string{"PUT"}})}, []string{"rules[1] shadowed-rule"}},
		"other networks":          {[]policy.Rule{rule("a", match{Networks: []string{"10.0.0.0/8"}}), rule("b", match{Networks: []string{"0.0.0.0/0"}})}, nil},
		"narrower networks":       {[]policy.Rule{rule("a", match{Networks: []string{"10.0.0.0/8", "::/0"}}), rule("b", match{Networks: []string{"10.1.0.0/16", "2001:db8::/32"}})}, []string{"rules[1] shadowed-rule"}},
		"other extensions":        {[]policy.Rule{rule("a", match{Extensions: map[string]string{"k": "1"}}), rule("b", match{Extensions: map[string]string{"k": "2"}})}, nil},
		"more extensions":         {[]policy.Rule{rule("a", match{Extensions: map[string]string{"k": "1"}}), rule("b", match{Extensions: map[string]string{"k": "1", "l": "1"}})}, []string{"rules[1] shadowed-rule"}},
		"wildcard above names":    {[]policy.Rule{rule("a", hosts("*.example")), rule("b", hosts("a.example", "b.test"))}, []string{"rules[1].match.hosts shadowed-host"}},
		"wildcard above all names": {
			[]policy.Rule{rule("a", hosts("*.example")), rule("b", hosts("a.example", "*.b.example"))}, []string{"rules[1] shadowed-rule"},
		},
		"wildcard below names": {[]policy.Rule{rule("a", hosts("a.example")), rule("b", hosts("*.example"))}, nil},
		"wildcard takes a path": {
			[]policy.Rule{rule("a", match{Hosts: []string{"*.example"}, Paths: []string{"/admin/**"}}), rule("b", match{Hosts: []string{"a.example"}, Paths: []string{"/admin/**", "/v1/**"}}), rule("c", match{Hosts: []string{"b.example", "c.test"}, Paths: []string{"/admin/x", "/v1/**"}})},
			[]string{"rules[1].match.paths shadowed-path", "rules[2].match.paths wildcard-host"},
		},
		"a path of several": {[]policy.Rule{rule("a", paths("/v1/**")), rule("b", paths("/v1/x", "/v2/x"))}, []string{"rules[1].match.paths shadowed-path"}},
		"unreachable": {
			[]policy.Rule{{Name: "n", Match: paths("/v1/**", "/x"), Rules: []policy.Rule{rule("a", paths("/v2/**", "/y*")), rule("b", paths("/*/z")), rule("c", paths("/v3/**", "/x"))}}},
			[]string{"rules[0].rules[0] unreachable"},
		},
		"shadowed within":        {[]policy.Rule{{Name: "n", Rules: []policy.Rule{rule("a", paths("/v1/**")), rule("b", paths("/v1/x"))}}}, []string{"rules[0].rules[1] shadowed-rule"}},
		"shadowed as a whole":    {[]policy.Rule{rule("a", match{}), {Name: "n", Rules: []policy.Rule{rule("b", paths("/v1/**")), rule("c", paths("/v1/x"))}}}, []string{"rules[1] shadowed-rule"}},
		"public everywhere":      {[]policy.Rule{public("a", match{Hosts: []string{"a.example"}}), public("b", paths("/**"))}, []string{"rules[0] public-all", "rules[1] public-all"}},
		"public within":          {[]policy.Rule{{Name: "n", Match: paths("/static/**"), Rules: []policy.Rule{public("a", match{})}}}, nil},
		"anybody known":          {[]policy.Rule{{Name: "a", Audience: "app", Allow: anybody}}, []string{"rules[0].allow[0] allow-all"}},
		"anybody of a source":    {[]policy.Rule{{Name: "a", Audience: "app", Allow: policy.Clauses{{From: []string{"corp"}}}}}, []string{"rules[0].allow[0] allow-all"}},
		"nobody":                 {[]policy.Rule{{Name: "a", Audience: "app", Allow: policy.Clauses{}}}, []string{"rules[0].allow empty-list"}},
		"empty lists":            {[]policy.Rule{{Name: "a", Audience: "app", Allow: policy.Clauses{{Groups: []string{}}}, Deny: policy.Clauses{{Subjects: []string{}}}}}, []string{"rules[0].allow[0].groups empty-list", "rules[0].deny[0].subjects empty-list"}},
		"report":                 {[]policy.Rule{{Name: "n", Audience: "app", Mode: "report", Rules: []policy.Rule{{Name: "a", Allow: staff}}}}, []string{"rules[0].rules[0] report-only"}},
		"gRPC in another way":    {[]policy.Rule{rule("a", match{GRPC: []string{"s.S/M"}}), rule("b", paths("/s.S/**"))}, []string{"rules[0] grpc-other-ways"}},
		"gRPC and nothing after": {[]policy.Rule{rule("a", match{GRPC: []string{"s.S/M"}}), rule("b", paths("/t.T/**"))}, nil},
		"gRPC takes no other call": {
			[]policy.Rule{rule("a", match{GRPC: []string{"s.S/*"}}), rule("b", paths("/s.S/some")), rule("c", match{Paths: []string{"/s.S/*"}, Methods: []string{"POST"}})},
			[]string{"rules[0] grpc-other-ways"},
		},
		"gRPC and nothing else": {
			[]policy.Rule{rule("a", match{GRPC: []string{"s.S/M"}}), {Name: "b", Audience: "app", Match: paths("/s.S/**"), Allow: policy.Clauses{}}, rule("c", match{})},
			[]string{"rules[1].allow empty-list"},
		},
		"gRPC shadowed":         {[]policy.Rule{rule("a", match{GRPC: []string{"s.S/*"}}), rule("b", match{GRPC: []string{"s.S/M"}})}, []string{"rules[1] shadowed-rule"}},
		"gRPC is not all POSTs": {[]policy.Rule{rule("a", match{GRPC: []string{"s.S/*"}}), rule("b", match{Paths: []string{"/s.S/M"}, Methods: []string{"POST"}})}, []string{"rules[0] grpc-other-ways"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := compile(t, within("corp"), c.rules...)
			if got := linted(p); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q\n%+v", got, c.want, policy.Lint(p))
			}
		})
	}
}

// TestFindingsSayWhyAndWhatToDo shows one of each of the longer sentences.
func TestFindingsSayWhyAndWhatToDo(t *testing.T) {
	p := compile(t, within("corp"),
		policy.Rule{Name: "wide", Audience: "app", Match: policy.Match{Hosts: []string{"*.example"}, Paths: []string{"/admin/**"}}, Allow: policy.Clauses{{Groups: []string{"staff"}}}},
		public("named", policy.Match{Hosts: []string{"a.example", "b.test"}, Paths: []string{"/admin/x", "/v1/**"}}),
		public("gone", policy.Match{Hosts: []string{"a.example"}, Paths: []string{"/admin/y", "/v1/y"}}),
	)
	var got []string
	for _, f := range policy.Lint(p) {
		got = append(got, f.Text)
	}
	want := []string{
		"path /admin/x of host a.example belongs to rule wide above, whose hosts have a wildcard, and not to rule named: move this rule up, unless that is meant",
		"no request reaches rule gone: wide, named above it own whatever it fits; move it up, or remove it",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// TestLintOfManyRulesEnds: a rule that is reached is known by one request.
func TestLintOfManyRulesEnds(t *testing.T) {
	var rules []policy.Rule
	for i := range 20000 {
		rules = append(rules, public(fmt.Sprint("r", i), policy.Match{Hosts: []string{fmt.Sprintf("h%d.example", i/4)}, Paths: []string{fmt.Sprintf("/p%d/**", i%4)}}))
	}
	if got := policy.Lint(compile(t, within(), rules...)); len(got) != 0 {
		t.Errorf("%d findings, %v", len(got), got[0])
	}
}
