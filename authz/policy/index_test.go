package policy

import (
	"fmt"
	"strings"
	"testing"

	"privyseal/authz"
)

func public(name string, match Match) Rule { return Rule{Name: name, Match: match, Public: true} }

func compiled(t testing.TB, rules ...Rule) *Policy {
	t.Helper()
	p, err := Compile(rules, Env{Issuer: "https://seal.example"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func asked(t testing.TB, method, host, target string) *authz.Request {
	t.Helper()
	r, denial := authz.NewRequest(method, "https", host, target)
	if denial != nil {
		t.Fatal(denial)
	}
	return r
}

// steps counts what a search visits.
func steps(p *Policy, r *authz.Request) int {
	w := newWalk(r)
	p.index.search(&w)
	return w.steps
}

// many makes rules of one kind.
func many(n int, rule func(i int) Match) []Rule {
	rules := make([]Rule, n)
	for i := range rules {
		rules[i] = public(fmt.Sprint("r", i), rule(i))
	}
	return rules
}

// shapes are policies of any size, and a request that the last rule fits.
var shapes = []struct {
	name string
	rule func(i int) Match
	last func(i int) (host, path string)
}{
	{"hosts", func(i int) Match {
		return Match{Hosts: []string{fmt.Sprintf("h%d.example", i)}, Paths: []string{"/v1/orders/*", "/v1/items/**"}, Methods: []string{"GET"}}
	}, func(i int) (string, string) { return fmt.Sprintf("h%d.example", i), "/v1/items/7/parts" }},
	{"one host", func(i int) Match {
		return Match{Hosts: []string{"api.example"}, Paths: []string{fmt.Sprintf("/service%d/v1/**", i), fmt.Sprintf("/service%d/*/status", i)}}
	}, func(i int) (string, string) { return "api.example", fmt.Sprintf("/service%d/v1/items/7", i) }},
	{"wildcard hosts", func(i int) Match {
		return Match{Hosts: []string{fmt.Sprintf("*.tenant%d.example", i)}, Paths: []string{"/v1/**"}}
	}, func(i int) (string, string) { return fmt.Sprintf("shop.tenant%d.example", i), "/v1/items/7" }},
	{"one wildcard host", func(i int) Match {
		return Match{Hosts: []string{"*.example"}, Paths: []string{fmt.Sprintf("/service%d/v1/**", i)}}
	}, func(i int) (string, string) { return "shop.example", fmt.Sprintf("/service%d/v1/items/7", i) }},
	{"behind stars", func(i int) Match {
		return Match{Paths: []string{fmt.Sprintf("/*/service%d/**", i), fmt.Sprintf("/**/kind%d/*", i)}}
	}, func(i int) (string, string) { return "shop.example", fmt.Sprintf("/v1/service%d/items", i) }},
	{"parts of segments", func(i int) Match {
		return Match{Paths: []string{fmt.Sprintf("/tenant%d-*/v1/**", i)}}
	}, func(i int) (string, string) { return "shop.example", fmt.Sprintf("/tenant%d-blue/v1/items", i) }},
}

func TestThousandsOfRulesCostWhatTenDo(t *testing.T) {
	for _, shape := range shapes {
		ofTen := 0
		for _, n := range []int{10, 10000} {
			p := compiled(t, many(n, shape.rule)...)
			host, path := shape.last(n - 1)
			r := asked(t, "GET", host, path)
			if rule, _ := p.Match(r); rule == nil || rule.Name != fmt.Sprint("r", n-1) {
				t.Fatalf("%s: %d rules: %v", shape.name, n, rule)
			}
			switch got := steps(p, r); {
			case n == 10:
				ofTen = got
			case got > ofTen+3:
				t.Errorf("%s: %d steps with %d rules, %d with 10", shape.name, got, n, ofTen)
			}
		}
	}
}

// TestContextExtensionsAreLookedUp: route names are as many as hosts.
func TestContextExtensionsAreLookedUp(t *testing.T) {
	p := compiled(t, many(10000, func(i int) Match {
		return Match{Extensions: map[string]string{"route": fmt.Sprint("r", i)}}
	})...)
	r := asked(t, "GET", "a.example", "/")
	r.Facts = requirements{required: []extension{{"route", "r9999"}}}
	if rule, _ := p.Match(r); rule == nil || rule.Name != "r9999" {
		t.Fatal(rule)
	}
	if n := steps(p, r); n > 3 {
		t.Errorf("%d steps", n)
	}
}

// TestWorkIsBounded: no way through globs is gone twice, whatever the path.
func TestWorkIsBounded(t *testing.T) {
	deep := func(i int) Match {
		return Match{Paths: []string{strings.Repeat("/**/a", 1+i) + "/b", strings.Repeat("/**/*a*", 1+i) + "/c"}}
	}
	for _, c := range []struct {
		name  string
		rules []Rule
		path  string
		bound int
	}{
		{"one star after another", many(100, func(i int) Match {
			return Match{Paths: []string{"/" + strings.Repeat("a*", 1+i) + "b"}}
		}), "/" + strings.Repeat("a", 8000), 300},
		// 2 x 100 states behind "**", 8000 segments, a handful of children each
		{"nested", many(100, deep), strings.Repeat("/a", 8000), 2 * 100 * 8000 * 6},
		{"stars only", many(12, func(i int) Match {
			return Match{Paths: []string{strings.Repeat("/*", 10+i) + "/x"}}
		}), strings.Repeat("/a", 8000), 100},
		{"a choice at each segment", many(64, func(i int) Match {
			var b strings.Builder
			for bit := range 6 {
				b.WriteString([]string{"/*", "/a"}[i>>bit&1])
			}
			return Match{Paths: []string{b.String() + "/x"}}
		}), strings.Repeat("/a", 8000), 300},
	} {
		p := compiled(t, c.rules...)
		if p.index.any.tree == nil {
			t.Fatalf("%s: not in a tree", c.name)
		}
		r := asked(t, "GET", "a.example", c.path)
		if rule, denial := p.Match(r); rule != nil {
			t.Errorf("%s: %v, %v", c.name, rule, denial)
		}
		if n := steps(p, r); n > c.bound {
			t.Errorf("%s: %d steps, over %d", c.name, n, c.bound)
		}
	}
}

// TestBeyondItsBoundsTheIndexDecidesTheSame: more "**" below "**" than a search
// keeps track of, and more patterns than are indexed.
func TestBeyondItsBoundsTheIndexDecidesTheSame(t *testing.T) {
	p := compiled(t, many(400, func(i int) Match {
		return Match{Paths: []string{fmt.Sprintf("/**/a%d/**/b/**/c", i)}}
	})...)
	if g := p.index.any; g.tree.nested != maxNested || len(g.few) == 0 {
		t.Fatalf("%d nested, %d asked one by one", g.tree.nested, len(g.few))
	}
	scanned := (&indexer{}).index(p.nodes)
	if scanned.any.tree != nil {
		t.Fatal("indexed beyond its bounds")
	}
	for _, i := range []int{0, 1, 127, 128, 129, 300, 399} {
		for path, want := range map[string]string{
			fmt.Sprintf("/x/a%d/y/b/b/z/c", i): fmt.Sprint("r", i),
			fmt.Sprintf("/a%d/b/c", i):         fmt.Sprint("r", i),
			fmt.Sprintf("/a%d/c/b", i):         "none",
		} {
			r := asked(t, "GET", "a.example", path)
			for _, x := range []*index{&p.index, &scanned} {
				got := "none"
				if n := x.first(r); n != nil {
					got = n.name
				}
				if got != want {
					t.Errorf("%s: %s, want %s", path, got, want)
				}
			}
		}
	}
}

// TestGroupsOfOneRequestKeepTrackApart: the "**" that one group's search has been
// at are not those of another.
func TestGroupsOfOneRequestKeepTrackApart(t *testing.T) {
	named := many(10, func(i int) Match {
		return Match{Hosts: []string{"a.example"}, Paths: []string{fmt.Sprintf("/**/a/**/x%d", i)}}
	})
	anywhere := many(10, func(i int) Match { return Match{Paths: []string{fmt.Sprintf("/**/a/**/y%d", i)}} })
	for i := range anywhere {
		anywhere[i].Name = fmt.Sprint("y", i)
	}
	p := compiled(t, append(named, anywhere...)...)
	if p.index.literal["a.example"].tree.nested == 0 || p.index.any.tree.nested == 0 {
		t.Fatal("no nested states")
	}
	for _, want := range []string{"r0", "r9", "y0", "y9"} {
		path := "/a/" + strings.Replace(want, "r", "x", 1)
		if rule, _ := p.Match(asked(t, "GET", "a.example", path)); rule == nil || rule.Name != want {
			t.Errorf("%s: %v, want %s", path, rule, want)
		}
	}
}

func TestHostsOfTheSameRulesShareTheirIndex(t *testing.T) {
	var hosts, paths []string
	for i := range 2000 {
		hosts, paths = append(hosts, fmt.Sprintf("h%d.example", i)), append(paths, fmt.Sprintf("/p%d", i))
	}
	p := compiled(t, public("wide", Match{Hosts: hosts, Paths: paths}))
	if a, b := p.index.literal["h0.example"], p.index.literal["h1999.example"]; a == nil || a != b || a.tree == nil {
		t.Errorf("%p and %p", a, b)
	}
	if rule, _ := p.Match(asked(t, "GET", "h1999.example", "/p1999")); rule == nil {
		t.Error("no rule")
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, shape := range shapes {
		for _, n := range []int{10, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				p := compiled(b, many(n, shape.rule)...)
				host, path := shape.last(n - 1)
				r := asked(b, "GET", host, path)
				b.ReportAllocs()
				for b.Loop() {
					if rule, _ := p.Match(r); rule == nil {
						b.Fatal("no rule")
					}
				}
			})
		}
	}
}

// BenchmarkMatchInTurn asks for every rule in turn: the processor's caches hold
// ten rules and not ten thousand.
func BenchmarkMatchInTurn(b *testing.B) {
	for _, shape := range shapes[:3] {
		for _, n := range []int{10, 10000} {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				p := compiled(b, many(n, shape.rule)...)
				requests := make([]*authz.Request, n)
				for i := range requests {
					host, path := shape.last(i * 7919 % n)
					requests[i] = asked(b, "GET", host, path)
				}
				for i := 0; b.Loop(); i++ {
					if rule, _ := p.Match(requests[i%n]); rule == nil {
						b.Fatal("no rule")
					}
				}
			})
		}
	}
}

// BenchmarkCompile reports the time and, as B/op, what is allocated on the way.
func BenchmarkCompile(b *testing.B) {
	for _, shape := range shapes[:3] {
		b.Run(shape.name, func(b *testing.B) {
			rules := many(10000, shape.rule)
			b.ReportAllocs()
			for b.Loop() {
				compiled(b, rules...)
			}
		})
	}
}
