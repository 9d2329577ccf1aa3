package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"privyseal/authz"
	"privyseal/authz/policy"
)

var anybody = policy.Clauses{{Authenticated: true}}

// within is an environment with these sources, in which an assertion's issuer
// and audience do not depend on hosts.
func within(sources ...string) policy.Env {
	env := policy.Env{Issuer: "https://seal.example"}
	for _, name := range sources {
		env.Sources = append(env.Sources, policy.Source{Name: name})
	}
	return env
}

func compile(t testing.TB, env policy.Env, rules ...policy.Rule) *policy.Policy {
	t.Helper()
	p, err := policy.Compile(rules, env)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// public is the shortest rule: matching is all that it does.
func public(name string, match policy.Match) policy.Rule {
	return policy.Rule{Name: name, Match: match, Public: true}
}

// request makes a request of "METHOD host target"; CONNECT has no target.
func request(t testing.TB, line string) *authz.Request {
	t.Helper()
	parts := append(strings.SplitN(line, " ", 3), "")
	r, denial := authz.NewRequest(parts[0], "https", parts[1], parts[2])
	if denial != nil {
		t.Fatalf("%s: %v", line, denial)
	}
	return r
}

// verdict is the name of the rule that owns a request, or the denial's reason
// and, in parentheses, its rule.
func verdict(t testing.TB, p *policy.Policy, r *authz.Request) string {
	t.Helper()
	rule, denial := p.Match(r)
	switch {
	case (rule == nil) == (denial == nil):
		t.Fatalf("Match returned %v and %v: want one", rule, denial)
	case denial != nil && denial.Rule != "":
		return fmt.Sprintf("%s(%s)", denial.Reason, denial.Rule)
	case denial != nil:
		return string(denial.Reason)
	}
	return rule.Name
}

func TestFirstRuleThatFitsOwnsTheRequest(t *testing.T) {
	p := compile(t, within(),
		public("health", policy.Match{Paths: []string{"/healthz"}}),
		public("orders-write", policy.Match{Hosts: []string{"Orders.example.com."}, Paths: []string{"/v1/**"}, Methods: []string{"POST", "PUT"}}),
		public("below", policy.Match{Hosts: []string{"*.example.com"}, Paths: []string{"/v1/open"}}),
		public("orders", policy.Match{Hosts: []string{"orders.example.com", "[2001:DB8::1]"}, Paths: []string{"/v1", "/v1/**"}}),
		public("mixed", policy.Match{Hosts: []string{"shop.example", "*.shop.example"}}),
		public("tunnel", policy.Match{Methods: []string{"CONNECT"}, Hosts: []string{"tunnel.example"}}),
	)
	for line, want := range map[string]string{
		"GET anything.example /healthz":            "health",
		"GET orders.example.com /healthz":          "health",
		"POST orders.example.com /v1/a":            "orders-write",
		"POST ORDERS.example.com.:8443 /v1/a":      "orders-write",
		"GET orders.example.com /v1/open":          "below",
		"GET orders.example.com /v1/a?x=/healthz":  "orders",
		"GET orders.example.com /v1":               "orders",
		"GET [2001:db8::1]:443 /v1/a":              "orders",
		"GET deep.er.example.com /v1/open":         "below",
		"GET example.com /v1/open":                 "no_rule",
		"GET notexample.com /v1/open":              "no_rule",
		"GET example.com.evil.example /v1/open":    "no_rule",
		"GET orders.example.com.evil.example /v1/": "no_rule",
		"GET shop.example /":                       "mixed",
		"GET a.shop.example /":                     "mixed",
		"CONNECT shop.example":                     "no_rule",
		"CONNECT tunnel.example":                   "tunnel",
		"GET tunnel.example /":                     "no_rule",
	} {
		if got := verdict(t, p, request(t, line)); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func TestFileOrderHoldsBetweenLiteralAndOpenHosts(t *testing.T) {
	var rules []policy.Rule
	for i := range 12 {
		match := policy.Match{Paths: []string{fmt.Sprintf("/%d/**", i), "/all"}}
		switch i % 3 {
		case 0:
			match.Hosts = []string{"a.example"}
		case 1:
			match.Hosts = []string{"*"}
		}
		rules = append(rules, public(fmt.Sprint("r", i), match))
	}
	for first := range rules {
		p := compile(t, within(), rules[first:]...)
		want := rules[first].Name
		if got := verdict(t, p, request(t, "GET a.example /all")); got != want {
			t.Errorf("from %d: %s, want %s", first, got, want)
		}
		if got := verdict(t, p, request(t, fmt.Sprintf("GET a.example /%d/", len(rules)-1))); got != "r11" {
			t.Errorf("from %d: the last rule is not reached: %s", first, got)
		}
	}
}

// route is the facts of a request whose route sets context extensions.
type route struct {
	authz.NoFacts
	extensions map[string]string
}

func (r route) Extension(key string) string { return r.extensions[key] }

func TestContextExtensionsMustAllBeEqual(t *testing.T) {
	p := compile(t, within(), public("blue", policy.Match{Extensions: map[string]string{"team": "blue", "tier": "1"}}))
	for want, set := range map[string][]map[string]string{
		"blue":    {{"team": "blue", "tier": "1"}, {"team": "blue", "tier": "1", "more": "x"}},
		"no_rule": {{}, {"team": "blue"}, {"team": "Blue", "tier": "1"}, {"tier": "1"}},
	} {
		for _, facts := range set {
			r := request(t, "GET a.example /")
			r.Facts = route{extensions: facts}
			if got := verdict(t, p, r); got != want {
				t.Errorf("%v: %s, want %s", facts, got, want)
			}
		}
	}
}

// TestAmbiguousPaths covers the ways in which paths have slipped past rules of
// other proxies. Hosts whose rules read no path are not concerned.
func TestAmbiguousPaths(t *testing.T) {
	p := compile(t, within(),
		public("site", policy.Match{Hosts: []string{"site.example"}}),
		policy.Rule{Name: "nest", Match: policy.Match{Hosts: []string{"nest.example", "plain.example"}}, Rules: []policy.Rule{
			public("inner", policy.Match{Hosts: []string{"nest.example"}, Paths: []string{"/x"}}),
			public("outer", policy.Match{}),
		}},
		public("first", policy.Match{Hosts: []string{"api.example"}, Methods: []string{"GET"}}),
		public("never-asked", policy.Match{Hosts: []string{"api.example"}, Paths: []string{"/admin"}}),
		public("below", policy.Match{Hosts: []string{"*.below.example"}, Paths: []string{"/**"}}),
	)
	for _, path := range []string{
		"//admin", "/a/../admin", "/a/..", "/./admin", "/admin;x=1", "/a%2fadmin", "/a%2Fadmin", `/a\admin`, "/a%5cadmin",
		"/%2e%2e/admin", "/%252e", "/admin%00", "/admin%3b", "/admin%0a", "/%", "/%zz", "/a\x80", "/%ff", "/admin#x", "/a%23", "/a%3f",
	} {
		for host, want := range map[string]string{
			"site.example":    "site",
			"plain.example":   "outer",
			"nest.example":    "ambiguous_path",
			"api.example":     "ambiguous_path",
			"x.below.example": "ambiguous_path",
			"other.example":   "no_rule",
		} {
			if got := verdict(t, p, request(t, "GET "+host+" "+path)); got != want {
				t.Errorf("%s%s: %s, want %s", host, path, got, want)
			}
		}
	}
}

func TestRulesWithinRules(t *testing.T) {
	p := compile(t, within(),
		policy.Rule{
			Name:  "shop",
			Match: policy.Match{Hosts: []string{"shop.example", "*.shop.example"}, Paths: []string{"/v1/**", "/"}, Methods: []string{"GET", "POST", "CONNECT"}},
			Rules: []policy.Rule{
				public("posts", policy.Match{Methods: []string{"POST"}}),
				{Name: "eu", Match: policy.Match{Hosts: []string{"*.eu.shop.example"}}, Rules: []policy.Rule{
					public("eu-items", policy.Match{Paths: []string{"/*/items/**", "/v2/**"}}),
				}},
				public("root", policy.Match{Paths: []string{"/"}, Hosts: []string{"shop.example"}}),
			},
		},
		public("rest", policy.Match{}),
		policy.Rule{Name: "tunnels", Match: policy.Match{Methods: []string{"CONNECT"}}, Rules: []policy.Rule{
			public("tunnel", policy.Match{Hosts: []string{"tunnel.example"}}),
		}},
	)
	for line, want := range map[string]string{
		"POST shop.example /v1/a":             "posts",
		"GET shop.example /":                  "root",
		"GET a.eu.shop.example /v1/items/7":   "eu-items",
		"GET a.eu.shop.example /v2/a":         "rest",        // the rule around does not fit /v2
		"GET a.eu.shop.example /v1/x":         "no_rule(eu)", // it fits, and keeps the request from "rest"
		"GET a.us.shop.example /v1/items/7":   "no_rule(shop)",
		"GET a.us.shop.example /":             "no_rule(shop)",
		"PUT shop.example /v1/a":              "rest",
		"GET other.example /v1/a":             "rest",
		"CONNECT shop.example":                "no_rule(tunnels)",
		"CONNECT tunnel.example":              "tunnel",
		"GET a.eu.shop.example /v1/items/%2f": "ambiguous_path",
	} {
		if got := verdict(t, p, request(t, line)); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	var rules []policy.Rule
	for i := range 50 {
		rules = append(rules,
			public(fmt.Sprint("literal", i), policy.Match{Hosts: []string{"a.example"}, Paths: []string{fmt.Sprintf("/%d", i)}}),
			public(fmt.Sprint("open", i), policy.Match{Hosts: []string{"*.example"}, Paths: []string{fmt.Sprintf("/**/%d/**/*x*", i), fmt.Sprintf("/a/b*%d/*", i)}}),
			public(fmt.Sprint("route", i), policy.Match{Extensions: map[string]string{"team": fmt.Sprint(i), "tier": "1"}, Networks: []string{"10.0.0.0/8", "::/0"}}),
			public(fmt.Sprint("call", i), policy.Match{GRPC: []string{fmt.Sprintf("pkg.S%d/Get", i)}}))
	}
	nest := policy.Rule{Name: "nest", Rules: []policy.Rule{public("last", policy.Match{Paths: []string{"/a/**/z"}, Networks: []string{"192.0.2.0/24"}})}}
	p := compile(t, within(), append(rules, nest)...)
	r := request(t, "GET a.example /a/b%20c/d/e/z")
	r.Client = netip.MustParseAddr("::ffff:192.0.2.7")
	r.Facts = route{extensions: map[string]string{"team": "7"}}
	if got := verdict(t, p, r); got != "last" {
		t.Fatal(got)
	}
	if n := testing.AllocsPerRun(100, func() { p.Match(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzEqualRequestsHaveOneVerdict: what names the same host and the same path
// (RFC 3986 section 6.2.2) is the same request, however it is spelled.
func FuzzEqualRequestsHaveOneVerdict(f *testing.F) {
	f.Add("a.example", "/v1/admin/x", uint64(0b1010101))
	f.Add("b.A.example", "/v1/./a", uint64(1<<4))
	f.Add("A.EXAMPLE", "/v1/%61dmin/x", uint64(3))
	f.Add("x.y.example", "/v1/~a-b_c", ^uint64(0))
	f.Add("[2001:db8::1]", "/", uint64(1))
	f.Add("10.0.0.1", "/pkg.Service/Get", uint64(6))
	p := compile(f, within(),
		public("admin", policy.Match{Hosts: []string{"a.example", "*.a.example"}, Paths: []string{"/v1/admin", "/v1/admin/**"}}),
		public("address", policy.Match{Hosts: []string{"[2001:db8::1]", "10.0.0.1"}, Paths: []string{"/**"}}),
		public("json", policy.Match{Paths: []string{"/**/*.json", "/*/~a*", "/**/a/**/b", "/pkg.Service/Get"}}),
		public("v1", policy.Match{Hosts: []string{"*.example"}, Paths: []string{"/v1/**", "/v*/x", "/v1/adm*/x", "/v2", "/v3"}}),
	)
	f.Fuzz(func(t *testing.T, host, path string, mask uint64) {
		path = "/" + strings.TrimPrefix(path, "/")
		one, denial := authz.NewRequest("GET", "https", host, path)
		if denial != nil {
			return
		}
		otherHost, otherPath := spelledHost(host, mask), escaped(path, mask)
		other, denial := authz.NewRequest("GET", "https", otherHost, otherPath)
		if denial != nil || other.Host != one.Host || other.Ambiguous != one.Ambiguous || !one.Ambiguous && other.Path != one.Path {
			t.Fatalf("%q%q is not %q%q", otherHost, otherPath, host, path)
		}
		if a, b := verdict(t, p, one), verdict(t, p, other); a != b {
			t.Fatalf("%q%q: %s, but %q%q: %s", host, path, a, otherHost, otherPath, b)
		}
	})
}

// spelledHost writes letters in upper case, a dot at the end or a port.
func spelledHost(host string, mask uint64) string {
	b := []byte(host)
	for i, c := range b {
		if 'a' <= c && c <= 'z' && mask>>(i%64)&1 == 1 {
			b[i] -= 'a' - 'A'
		}
	}
	if host = string(b); strings.Contains(host, ":") || strings.HasSuffix(host, ".") || host[0] == '[' {
		return host
	}
	return host + []string{"", ".", ":443", ".:8443"}[mask>>62]
}

// escaped percent-encodes characters that need it not, in whatever case the
// digits are.
func escaped(path string, mask uint64) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		escape := i >= 2 && path[i-2] == '%' || i >= 1 && path[i-1] == '%'
		switch unreserved := c == '-' || c == '_' || c == '~' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'; {
		case !unreserved || escape || mask>>(i%64)&1 == 0:
			b.WriteByte(c)
		case i%2 == 0:
			fmt.Fprintf(&b, "%%%02x", c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
