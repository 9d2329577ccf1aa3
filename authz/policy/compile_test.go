package policy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/policy"
)

func TestMistakes(t *testing.T) {
	type rules = []policy.Rule
	hosts := func(h ...string) policy.Match { return policy.Match{Hosts: h} }
	paths := func(p ...string) policy.Match { return policy.Match{Paths: p} }
	methods := func(m ...string) policy.Match { return policy.Match{Methods: m} }
	open := func(m policy.Match) rules { return rules{public("a", m)} }
	signing := func(r policy.Rule) rules {
		r.Name, r.Audience = "a", "app"
		if r.Allow == nil {
			r.Allow = anybody
		}
		return rules{r}
	}
	corp := func(c policy.Clause) rules {
		return signing(policy.Rule{Authenticate: []string{"corp"}, Allow: policy.Clauses{c}})
	}
	around := func(m policy.Match, inner policy.Match) rules {
		return rules{{Name: "a", Match: m, Rules: rules{public("b", inner)}}}
	}
	long := strings.Repeat("x", 1025)

	for _, c := range []struct {
		rules      rules
		path, says string
	}{
		{rules{{Public: true}}, "[0].name", "is missing"},
		{rules{{Name: "A", Public: true}}, "[0].name", "is not a name"},
		{rules{{Name: "-a", Public: true}}, "[0].name", "is not a name"},
		{rules{{Name: strings.Repeat("a", 65), Public: true}}, "[0].name", "longer than 64"},
		{rules{public("a", policy.Match{}), public("a", policy.Match{})}, "[1].name", "also the name of rules[0];"},
		{rules{public("a", policy.Match{}), {Name: "b", Rules: rules{public("a", policy.Match{})}}}, "[1].rules[0].name", "also the name of rules[0];"},

		{open(policy.Match{Hosts: []string{}}), "[0].match.hosts", "is empty"},
		{open(policy.Match{Paths: []string{}}), "[0].match.paths", "is empty"},
		{open(policy.Match{Methods: []string{}}), "[0].match.methods", "is empty"},
		{open(policy.Match{Extensions: map[string]string{}}), "[0].match.context_extensions", "is empty"},
		{open(hosts(slices.Repeat([]string{"a.example"}, 10001)...)), "[0].match.hosts", "over 10000"},

		{open(hosts("ok.example", "")), "[0].match.hosts[1]", "not a host name"},
		{open(hosts("https://a.example")), "[0].match.hosts[0]", "without scheme"},
		{open(hosts("a.example:443")), "[0].match.hosts[0]", "without port"},
		{open(hosts("[::1]:443")), "[0].match.hosts[0]", "without port"},
		{open(hosts("::1")), "[0].match.hosts[0]", "IPv6 in brackets"},
		{open(hosts(strings.Repeat("a.", 130))), "[0].match.hosts[0]", "longer than a host name"},
		{open(hosts("a.*.example")), "[0].match.hosts[0]", "misplaced '*'"},
		{open(hosts("*.*.example")), "[0].match.hosts[0]", "misplaced '*'"},
		{open(hosts("*example.com")), "[0].match.hosts[0]", "misplaced '*'"},
		{open(hosts("*.")), "[0].match.hosts[0]", "not a host name"},
		{open(hosts("boo\u212a.example")), "[0].match.hosts[0]", "host"},

		{open(paths("v1")), "[0].match.paths[0]", "does not begin"},
		{open(paths("/ok", "/a//b")), "[0].match.paths[1]", "ambiguous"},
		{open(paths("/a/../b")), "[0].match.paths[0]", "ambiguous"},
		{open(paths("/a/.")), "[0].match.paths[0]", "ambiguous"},
		{open(paths("/a;b")), "[0].match.paths[0]", "ambiguous"},
		{open(paths(`/a\b`)), "[0].match.paths[0]", "ambiguous"},
		{open(paths("/a#b")), "[0].match.paths[0]", "ambiguous"},
		{open(paths("/a\n")), "[0].match.paths[0]", "ambiguous"},
		{open(paths("/a\xff")), "[0].match.paths[0]", "ambiguous"},
		{open(paths("/a%20b")), "[0].match.paths[0]", "percent-decoded"},
		{open(paths("/a?b=c")), "[0].match.paths[0]", "query"},
		{open(paths("/v1**")), "[0].match.paths[0]", "whole segment"},
		{open(paths("/***")), "[0].match.paths[0]", "whole segment"},
		{open(paths("/" + long)), "[0].match.paths[0]", "longer than 1024"},

		{open(methods("GET", "get")), "[0].match.methods[1]", "upper-case"},
		{open(methods("")), "[0].match.methods[0]", "upper-case"},
		{open(methods("GET,POST")), "[0].match.methods[0]", "upper-case"},
		{open(policy.Match{Methods: []string{"CONNECT"}, Paths: []string{"/**"}}), "[0].match.paths", "CONNECT"},
		{open(policy.Match{Extensions: map[string]string{"team": ""}}), "[0].match.context_extensions.team", "is empty"},
		{open(policy.Match{Extensions: map[string]string{"team": long}}), "[0].match.context_extensions", "longer than 1024"},
		{open(policy.Match{Extensions: map[string]string{"": "x"}}), "[0].match.context_extensions", "empty key"},

		{around(hosts("a.example"), hosts("b.example")), "[0].rules[0].match.hosts[0]", "no request could fit"},
		{around(hosts("*.a.example"), hosts("a.example")), "[0].rules[0].match.hosts[0]", "no request could fit"},
		{around(hosts("a.example"), hosts("*.b.example")), "[0].rules[0].match.hosts", "no request could fit"},
		{around(methods("GET"), methods("GET", "POST")), "[0].rules[0].match.methods[1]", "no request could fit"},
		{around(policy.Match{}, methods("CONNECT")), "[0].rules[0].match.methods[0]", "no request could fit"},

		{rules{{Name: "a", Audience: "app"}}, "[0].allow", "is missing"},
		{rules{{Name: "a", Audience: "app", Authenticate: []string{"corp"}, Deny: policy.Clauses{{Authenticated: true}}}}, "[0].allow", "is missing"},
		{rules{{Name: "a", Public: true, Allow: policy.Clauses{}}}, "[0].allow", "public"},
		{rules{{Name: "a", Public: true, Deny: policy.Clauses{}}}, "[0].deny", "public"},
		{rules{{Name: "a", Public: true, Authenticate: []string{}}}, "[0].authenticate", "public"},
		{rules{{Name: "a", Public: true, Audience: "x"}}, "[0].audience", "public"},
		{rules{{Name: "a", Public: true, AudienceFrom: "context"}}, "[0].audience_from", "public"},
		{rules{{Name: "a", Public: true, TTL: time.Minute}}, "[0].ttl", "public"},
		{rules{{Name: "a", Rules: rules{}}}, "[0].rules", "is empty"},
		{rules{{Name: "a", Public: true, Rules: rules{public("b", policy.Match{})}}}, "[0].rules", "either holds rules or decides"},
		{rules{{Name: "a", Allow: policy.Clauses{}, Rules: rules{public("b", policy.Match{})}}}, "[0].rules", "either holds rules or decides"},
		{rules{{Name: "a", Deny: policy.Clauses{}, Rules: rules{public("b", policy.Match{})}}}, "[0].rules", "either holds rules or decides"},
		{rules{{Name: "a", Public: true, Explain: long}}, "[0].explain", "longer than 1024"},
		{rules{{Name: "a", Public: true, Explain: "a\x1b[0m"}}, "[0].explain", "control character"},

		{signing(policy.Rule{Authenticate: []string{"corp", "corb"}, Allow: policy.Clauses{}}), "[0].authenticate[1]", "did you mean corp?"},
		{signing(policy.Rule{Authenticate: []string{"nothing-like-it"}}), "[0].authenticate[0]", "known: corp, edge"},
		{signing(policy.Rule{Authenticate: []string{"corp", "corp"}, Allow: policy.Clauses{}}), "[0].authenticate[1]", "named twice"},
		{signing(policy.Rule{Authenticate: []string{}}), "[0].authenticate", "is empty"},
		{signing(policy.Rule{Authenticate: []string{"corp"}, TTL: time.Second}), "[0].ttl", "between 15s and 10m"},
		{signing(policy.Rule{Authenticate: []string{"corp"}, AudienceFrom: "context"}), "[0].audience_from", "contradicts"},
		{rules{{Name: "a", Match: hosts("a.example"), AudienceFrom: "host", Allow: policy.Clauses{}}}, "[0].audience_from", `is not "context"`},
		{rules{{Name: "a", Match: hosts("a.example"), Audience: "a b", Allow: policy.Clauses{}}}, "[0].audience", "space"},
		{rules{{Name: "a", Match: hosts("a.example"), Audience: "é", Allow: policy.Clauses{}}}, "[0].audience", "ASCII"},
		{rules{{Name: "a", Match: hosts("a.example"), Audience: long, Allow: policy.Clauses{}}}, "[0].audience", "longer than 256"},

		{corp(policy.Clause{}), "[0].allow[0]", "has no key"},
		{signing(policy.Rule{Authenticate: []string{"corp"}, Allow: slices.Repeat(anybody, 10001)}), "[0].allow", "over 10000"},
		{corp(policy.Clause{When: "1"}), "[0].allow[0].when", "must be bool"},
		{corp(policy.Clause{Authenticated: true, Detail: "x"}), "[0].allow[0].detail", "deny clauses"},
		{signing(policy.Rule{Authenticate: []string{"corp"}, Deny: policy.Clauses{{Authenticated: true, Detail: strings.Repeat("x", 257)}}}), "[0].deny[0].detail", "longer than 256"},
		{signing(policy.Rule{Allow: policy.Clauses{{Authenticated: true}}}), "[0].allow[0].from", "the rule admits corp, edge"},
		{signing(policy.Rule{Allow: policy.Clauses{}, Deny: policy.Clauses{{Groups: []string{"x"}}}}), "[0].deny[0].from", "the rule admits corp, edge"},
		{corp(policy.Clause{From: []string{"edge"}}), "[0].allow[0].from[0]", "not admitted"},
		{corp(policy.Clause{From: []string{"corp", "Corp"}}), "[0].allow[0].from[1]", "did you mean corp?"},
		{corp(policy.Clause{Groups: []string{"ok", ""}}), "[0].allow[0].groups[1]", "is empty"},
		{corp(policy.Clause{Groups: []string{"eng/**"}}), "[0].allow[0].groups[0]", "paths only"},
		{corp(policy.Clause{Groups: slices.Repeat([]string{"x"}, 10001)}), "[0].allow[0].groups", "over 10000"},
		{corp(policy.Clause{Subjects: []string{long}}), "[0].allow[0].subjects[0]", "longer than 1024"},
		{corp(policy.Clause{Emails: []string{"example.com"}}), "[0].allow[0].emails[0]", "exactly one '@'"},
		{corp(policy.Clause{Emails: []string{"a@b@example.com"}}), "[0].allow[0].emails[0]", "exactly one '@'"},
		{corp(policy.Clause{Emails: []string{"**@example.com"}}), "[0].allow[0].emails[0]", "paths only"},
		{corp(policy.Clause{Domains: []string{"@example.com"}}), "[0].allow[0].domains[0]", "not a domain"},
		{corp(policy.Clause{Domains: []string{"*.example.com"}}), "[0].allow[0].domains[0]", "not a domain"},
	} {
		_, err := policy.Compile(c.rules, within("corp", "edge"))
		if got := mistakes(t, err); len(got) != 1 || got[0].Path != c.path || !strings.Contains(got[0].Err.Error(), c.says) {
			t.Errorf("want %s: ...%s..., got\n%v", c.path, c.says, err)
		}
	}
}

// mistakes takes a joined error apart.
func mistakes(t testing.TB, err error) []*authz.OptionError {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("not joined: %v", err)
	}
	var list []*authz.OptionError
	for _, e := range joined.Unwrap() {
		var option *authz.OptionError
		if !errors.As(e, &option) {
			t.Fatalf("not an option: %v", e)
		}
		list = append(list, option)
	}
	return list
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	_, err := policy.Compile([]policy.Rule{
		{Name: "A", Match: policy.Match{Hosts: []string{"a b"}, Paths: []string{"x"}}, Allow: policy.Clauses{{When: "x"}, {}}},
		{Name: "b", Rules: []policy.Rule{{Name: "c", TTL: 1, Allow: anybody}}},
	}, policy.Env{Sources: []policy.Source{{Name: "corp"}}})
	var paths []string
	for _, m := range mistakes(t, err) {
		paths = append(paths, m.Path)
	}
	want := []string{
		"[0].name", "[0].match.hosts[0]", "[0].match.paths[0]", "[0].allow[0].when", "[0].allow[1]",
		"[1].rules[0].ttl", "[1].rules[0].match.hosts",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("%q, want %q", paths, want)
	}
}

func TestCompileLeavesItsArgumentsAlone(t *testing.T) {
	rule := policy.Rule{Name: "a", Audience: "app", Authenticate: []string{"edge", "corp"}, Allow: policy.Clauses{{From: []string{"x", "corp"}}}}
	policy.Compile([]policy.Rule{rule}, within("edge", "corp"))
	if !slices.Equal(rule.Authenticate, []string{"edge", "corp"}) || !slices.Equal(rule.Allow[0].From, []string{"x", "corp"}) {
		t.Errorf("%+v", rule)
	}
	rule = policy.Rule{Name: "a", Audience: "app", Authenticate: []string{"edge"}, ClaimHeaders: map[string]string{"x-team": "team"}, Match: policy.Match{Methods: []string{"GET"}, Paths: []string{"/a"}}, Allow: anybody}
	p := compile(t, within("edge", "corp"), rule)
	rule.Authenticate[0], rule.Match.Methods[0], rule.Match.Paths[0] = "x", "x", "x"
	rule.ClaimHeaders["x-team"] = "x"
	if r := policy.Routes(p)[0]; r.Authenticate[0] != "edge" || p.Rules()[0].ClaimHeaders[0].Claim != "team" || r.Methods[0] != "GET" || r.Paths[0][0] != "/a" {
		t.Errorf("a policy changes with what it was made of: %+v", r)
	}
}

func TestBounds(t *testing.T) {
	nested := func(depth int) policy.Rule {
		rule := public("leaf", policy.Match{})
		for i := range depth - 1 {
			rule = policy.Rule{Name: fmt.Sprint("n", i), Rules: []policy.Rule{rule}}
		}
		return rule
	}
	compile(t, within(), nested(8))
	_, err := policy.Compile([]policy.Rule{nested(9)}, within())
	if got := mistakes(t, err); len(got) != 1 || !strings.HasSuffix(got[0].Path, ".rules") || !strings.Contains(err.Error(), "deeper than 8") {
		t.Error(err)
	}
	var many []policy.Rule
	for i := range 20000 {
		many = append(many, public(fmt.Sprint("r", i), policy.Match{}))
	}
	compile(t, within(), many...)
	many = append(many[:19990:19990], policy.Rule{Name: "n", Rules: slices.Clone(many[19990:])}, public("last", policy.Match{}))
	_, err = policy.Compile(many, within())
	if got := mistakes(t, err); len(got) != 1 || got[0].Path != "[19990].rules[9]" {
		t.Error(err)
	}
}

// TestClientsChooseNeitherIssuerNorAudience: what depends on the request's host
// needs hosts that the operator wrote down.
func TestClientsChooseNeitherIssuerNorAudience(t *testing.T) {
	literal, wild := policy.Match{Hosts: []string{"a.example"}}, policy.Match{Hosts: []string{"a.example", "*.example"}}
	for _, c := range []struct {
		issuer authz.Issuer
		rule   policy.Rule
		want   string // path of the mistake
	}{
		{"", policy.Rule{Match: literal}, ""},
		{"host", policy.Rule{Match: literal}, ""},
		{"host", policy.Rule{Match: wild, Audience: "app"}, "[0].match.hosts"},
		{"uri", policy.Rule{Audience: "app"}, "[0].match.hosts"},
		{"uri-bare", policy.Rule{AudienceFrom: "context"}, "[0].match.hosts"},
		{"", policy.Rule{Audience: "app"}, "[0].match.hosts"},
		{"https://seal.example", policy.Rule{Match: literal}, ""},
		{"https://seal.example", policy.Rule{Match: wild}, "[0].audience"},
		{"https://seal.example", policy.Rule{}, "[0].audience"},
		{"https://seal.example", policy.Rule{Match: wild, Audience: "app"}, ""},
		{"https://seal.example", policy.Rule{AudienceFrom: "context"}, ""},
	} {
		env := within("corp")
		env.Issuer = c.issuer
		c.rule.Name, c.rule.Allow = "a", anybody
		_, err := policy.Compile([]policy.Rule{c.rule}, env)
		got := ""
		for _, m := range mistakes(t, err) {
			got += m.Path
		}
		if got != c.want {
			t.Errorf("issuer %q, %+v: mistake at %q, want %q", c.issuer, c.rule, got, c.want)
		}
	}
}

func TestLiteralHostsOfTheRuleAroundSuffice(t *testing.T) {
	env := within("corp")
	env.Issuer = "uri"
	p := compile(t, env,
		policy.Rule{Name: "shop", Match: policy.Match{Hosts: []string{"a.eu.example", "b.us.example", "C.eu.example"}}, Rules: []policy.Rule{
			{Name: "eu", Match: policy.Match{Hosts: []string{"*.eu.example"}}, Allow: anybody},
			public("rest", policy.Match{}),
			{Name: "us", Match: policy.Match{Hosts: []string{"*.us.example"}}, Allow: anybody},
		}},
		public("open", policy.Match{Hosts: []string{"open.example"}}),
	)
	if got, want := p.Hosts(), []string{"a.eu.example", "b.us.example", "c.eu.example"}; !slices.Equal(got, want) {
		t.Errorf("hosts of rules that sign: %q, want %q", got, want)
	}
}

func TestWhatRulesInherit(t *testing.T) {
	env := within("corp", "edge", "mesh")
	env.Sources[1].Primary = true
	env.TTL = time.Minute
	var asked [][]string
	env.Authenticators = func(names []string) []authz.Authenticator {
		asked = append(asked, slices.Clone(names))
		return []authz.Authenticator{nobody{}}
	}
	allow := policy.Clauses{{From: []string{"edge"}}}
	one := policy.Clauses{{Groups: []string{"staff"}}}
	p := compile(t, env,
		policy.Rule{Name: "top", Audience: "app", Explain: "ask us", TTL: 2 * time.Minute, Authenticate: []string{"mesh", "edge"}, Rules: []policy.Rule{
			{Name: "same", Allow: allow},
			{Name: "own", AudienceFrom: "context", Explain: "ask me", TTL: 3 * time.Minute, Authenticate: []string{"mesh"}, Allow: one},
			public("open", policy.Match{}),
		}},
		policy.Rule{Name: "plain", Audience: "other", Allow: allow},
	)
	var got []string
	for _, r := range p.Rules() {
		got = append(got, fmt.Sprintf("%s aud=%s/%d ttl=%v sources=%v primary=%s explain=%s authenticators=%d",
			r.Name, r.Audience, r.AudienceFrom, r.TTL, r.Sources, r.Primary, r.Explain, len(r.Authenticate)))
	}
	want := []string{
		"same aud=app/0 ttl=2m0s sources=[edge mesh] primary=edge explain=ask us authenticators=1",
		"own aud=/1 ttl=3m0s sources=[corp edge mesh] primary=edge explain=ask me authenticators=1",
		"open aud=/0 ttl=0s sources=[] primary= explain=ask us authenticators=0",
		"plain aud=other/0 ttl=1m0s sources=[corp edge mesh] primary=edge explain= authenticators=1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rules\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if fmt.Sprint(asked) != "[[mesh edge] [mesh] [corp edge mesh]]" {
		t.Errorf("authenticators were asked for %v", asked)
	}
	if p.MaxTTL() != 3*time.Minute {
		t.Errorf("longest life %v", p.MaxTTL())
	}
	if got := compile(t, within()).MaxTTL(); got != authz.DefaultTTL {
		t.Errorf("longest life without rules %v", got)
	}
}

type nobody struct{}

func (nobody) Authenticate(context.Context, *authz.Request, *authz.Effects) (*authz.Identity, error) {
	return nil, authz.ErrNoCredential
}

func TestSourcesMakeNoSense(t *testing.T) {
	_, err := policy.Compile(nil, policy.Env{Sources: []policy.Source{{Name: "corp", Primary: true}, {Name: "edge", Primary: true}}})
	if err == nil || !strings.Contains(err.Error(), "corp and edge are both primary") {
		t.Error(err)
	}
	_, err = policy.Compile([]policy.Rule{{Name: "a", Audience: "app", Allow: anybody}}, within())
	if got := mistakes(t, err); len(got) != 1 || got[0].Path != "[0].authenticate" {
		t.Error(err)
	}
}

func TestPatternsAreOneReadableLine(t *testing.T) {
	for want, match := range map[string]policy.Match{
		"*":                                      {},
		"orders.example.com /v1/** GET,POST":     {Hosts: []string{"orders.example.com"}, Paths: []string{"/v1/**"}, Methods: []string{"GET", "POST"}},
		"* /healthz,/readyz":                     {Paths: []string{"/healthz", "/readyz"}},
		"*.example GET team=blue tier=1":         {Hosts: []string{"*.example"}, Methods: []string{"GET"}, Extensions: map[string]string{"tier": "1", "team": "blue"}},
		"* /" + strings.Repeat("a", 194) + "...": {Paths: []string{"/" + strings.Repeat("a", 500)}},
	} {
		if got := compile(t, within(), public("a", match)).Rules()[0].Pattern; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	p := compile(t, within(), policy.Rule{
		Name: "top", Match: policy.Match{Hosts: []string{"*.example"}, Methods: []string{"GET"}, Paths: []string{"/v1/**"}},
		Rules: []policy.Rule{public("a", policy.Match{Hosts: []string{"a.example"}})},
	})
	if got := p.Rules()[0].Pattern; got != "a.example /v1/** GET" {
		t.Error(got)
	}
}
