package policy_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"privyseal/authz"
	"privyseal/authz/policy"
)

// plain decides by asking one rule after the other, as the documentation says it,
// on the options themselves. It shares no code with what it is compared to.
type plain struct {
	rules       []policy.Rule
	expressions map[string]*regexp.Regexp
}

func (p *plain) verdict(r *authz.Request) string {
	if r.Ambiguous && p.readsPath(p.rules, r.Host) {
		return "ambiguous_path"
	}
	return p.level(p.rules, r, nil, "no_rule")
}

// condition is an expression, and what it means in Go.
type condition struct {
	text      string
	holds     func(r *authz.Request, id *authz.Identity) bool
	readsPath bool
}

// conditions are asked of every caller. An authz.Request has no other path than
// the canonical one that rules match.
func conditions() []condition {
	return []condition{
		{"true", func(*authz.Request, *authz.Identity) bool { return true }, false},
		{`request.method == "GET" || request.host.endsWith(".example")`, func(r *authz.Request, _ *authz.Identity) bool {
			return r.Method == "GET" || strings.HasSuffix(r.Host, ".example")
		}, false},
		{`request.path.startsWith("/v1/")`, func(r *authz.Request, _ *authz.Identity) bool { return strings.HasPrefix(r.Path, "/v1/") }, true},
		{`!request.path.contains("b")`, func(r *authz.Request, _ *authz.Identity) bool { return !strings.Contains(r.Path, "b") }, true},
		{`request.query == "" && request.context_extensions["team"] == "1"`, func(r *authz.Request, _ *authz.Identity) bool {
			return r.Query == "" && r.Facts.Extension("team") == "1"
		}, true},
		{`"team" in request.context_extensions && identity.subject == "alice"`, func(r *authz.Request, id *authz.Identity) bool {
			return r.Facts.Extension("team") != "" && id.Subject == "alice"
		}, false},
		{`identity.groups.exists(g, g == "staff")`, func(_ *authz.Request, id *authz.Identity) bool { return slices.Contains(id.Groups, "staff") }, false},
	}
}

// judge says what becomes of a caller under a rule: deny clauses first, then
// allow clauses. Reading what is absent fails, and so denies.
func (p *plain) judge(rule *policy.Rule, r *authz.Request, id *authz.Identity) string {
	for _, c := range rule.Deny {
		switch holds, fails := p.condition(c.When, r, id); {
		case fails:
			return "policy_error"
		case holds:
			return "denied_by_rule"
		}
	}
	for _, c := range rule.Allow {
		switch holds, fails := p.condition(c.When, r, id); {
		case fails:
			return "policy_error"
		case holds:
			return "allowed"
		}
	}
	return "not_allowed"
}

func (p *plain) condition(text string, r *authz.Request, id *authz.Identity) (holds, fails bool) {
	if strings.Contains(text, "request.path") && r.Method == "CONNECT" { // it has none
		return false, true
	}
	if strings.Contains(text, `extensions["team"] ==`) && r.Query == "" && r.Facts.Extension("team") == "" {
		return false, true
	}
	for _, c := range conditions() {
		if c.text == text {
			return c.holds(r, id), false
		}
	}
	panic(text)
}

// reads reports whether a rule's expressions read the path.
func (p *plain) reads(rule *policy.Rule) bool {
	return slices.ContainsFunc(slices.Concat(rule.Deny, rule.Allow), func(c policy.Clause) bool {
		return slices.ContainsFunc(conditions(), func(known condition) bool { return known.text == c.When && known.readsPath })
	})
}

func (p *plain) level(rules []policy.Rule, r *authz.Request, methods []string, otherwise string) string {
	for i := range rules {
		rule := &rules[i]
		allowed := methods
		switch {
		case rule.Match.GRPC != nil:
			allowed = []string{"POST"}
		case rule.Match.Methods != nil:
			allowed = rule.Match.Methods
		}
		switch {
		case !p.fits(&rule.Match, r, allowed):
		case rule.Rules != nil:
			return p.level(rule.Rules, r, allowed, "no_rule("+rule.Name+")")
		default:
			return rule.Name
		}
	}
	return otherwise
}

func (p *plain) fits(m *policy.Match, r *authz.Request, methods []string) bool {
	if methods == nil && r.Method == "CONNECT" || methods != nil && !slices.Contains(methods, r.Method) || !fitsHost(m.Hosts, r.Host) {
		return false
	}
	if m.Paths != nil && !slices.ContainsFunc(m.Paths, func(glob string) bool { return p.fitsPath(glob, r.Path) }) {
		return false
	}
	if m.GRPC != nil {
		kind := strings.ToLower(strings.Join(r.Headers.Values("content-type"), ","))
		if !grpcType.MatchString(kind) || strings.Contains(kind, ",") ||
			!slices.ContainsFunc(m.GRPC, func(method string) bool { return p.fitsPath("/"+method, r.Path) }) {
			return false
		}
	}
	if m.Networks != nil && !slices.ContainsFunc(m.Networks, func(network string) bool { return contains(network, r.Client) }) {
		return false
	}
	for key, value := range m.Extensions {
		if r.Facts.Extension(key) != value {
			return false
		}
	}
	return true
}

var grpcType = regexp.MustCompile(`^application/grpc(-web.*|[+;].*)?$`)

func fitsHost(hosts []string, host string) bool {
	return hosts == nil || slices.ContainsFunc(hosts, func(h string) bool {
		return h == "*" || strings.Trim(h, "[]") == host || strings.HasPrefix(h, "*.") && strings.HasSuffix(host, h[1:])
	})
}

func (p *plain) fitsPath(glob, path string) bool {
	if p.expressions[glob] == nil {
		segments := strings.Split(glob[1:], "/")
		var b strings.Builder
		for i, segment := range segments {
			switch {
			case segment == "**" && i == len(segments)-1:
				b.WriteString(`(/[^/]*)+`)
			case segment == "**":
				b.WriteString(`(/[^/]*)*`)
			default:
				b.WriteString("/" + strings.ReplaceAll(regexp.QuoteMeta(segment), `\*`, `[^/]*`))
			}
		}
		p.expressions[glob] = regexp.MustCompile(`\A` + b.String() + `\z`)
	}
	return p.expressions[glob].MatchString(path)
}

func contains(network string, client netip.Addr) bool {
	prefix := netip.MustParsePrefix(network)
	if prefix.Addr().Is4In6() {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return prefix.Contains(client.Unmap())
}

func (p *plain) readsPath(rules []policy.Rule, host string) bool {
	return slices.ContainsFunc(rules, func(rule policy.Rule) bool {
		return fitsHost(rule.Match.Hosts, host) && (rule.Match.Paths != nil || rule.Match.GRPC != nil || p.reads(&rule) || p.readsPath(rule.Rules, host))
	})
}

// generator makes rules and requests of few words, so that they meet often.
type generator struct {
	*rand.Rand
	names int

	expressive bool // rules that sign, with conditions: what compiles them is slow
}

func (g *generator) one(list ...string) string { return list[g.IntN(len(list))] }

func (g *generator) some(most int, make func() string) []string {
	list := []string{make()}
	for range g.IntN(most) {
		if v := make(); !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

func (g *generator) host() string {
	return g.one("a.example", "b.example", "c.a.example", "d.c.a.example", "other.test", "10.0.0.1", "2001:db8::1")
}

func (g *generator) hostEntry() string {
	if g.IntN(3) > 0 {
		if host := g.host(); strings.Contains(host, ":") {
			return "[" + host + "]"
		} else {
			return host
		}
	}
	return g.one("*", "*.example", "*.a.example", "*.c.a.example", "*.test")
}

func (g *generator) glob() string {
	var b strings.Builder
	for range 1 + g.IntN(4) {
		b.WriteString("/" + g.one("v1", "v1", "a", "b", "ab", "*", "**", "**", "a*", "*b", "*a*", "v*1", "svc.A", "Get"))
	}
	return b.String()
}

func (g *generator) network() string {
	return g.one("10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "::/0", "2001:db8::/32", "192.0.2.7/32", "::ffff:10.2.0.0/112")
}

func (g *generator) match(depth int) policy.Match {
	var m policy.Match
	if g.IntN(3) > 0 {
		m.Hosts = g.some(3, g.hostEntry)
	}
	if g.IntN(8) == 0 {
		m.GRPC = g.some(2, func() string { return g.one("svc.A/Get", "svc.A/*", "a/b", "v1/ab") })
	} else {
		if g.IntN(4) > 0 {
			m.Paths = g.some(3, g.glob)
		}
		if g.IntN(4) == 0 {
			m.Methods = g.some(2, func() string { return g.one("GET", "POST", "CONNECT") })
		}
	}
	if g.IntN(5) == 0 {
		m.Networks = g.some(2, g.network)
	}
	for g.IntN(4) == 0 {
		if m.Extensions == nil {
			m.Extensions = map[string]string{}
		}
		m.Extensions[g.one("team", "tier")] = g.one("1", "2")
	}
	return m
}

func (g *generator) rules(n, depth int) []policy.Rule {
	rules := make([]policy.Rule, n)
	for i := range rules {
		g.names++
		rules[i] = policy.Rule{Name: fmt.Sprint("r", g.names), Match: g.match(depth)}
		if depth < 3 && g.IntN(5) == 0 {
			rules[i].Rules = g.rules(1+g.IntN(4+4*depth), depth+1)
		} else if !g.expressive || g.IntN(2) > 0 {
			rules[i].Public = true
		} else {
			rules[i].Audience, rules[i].Allow = "app", g.clauses()
			if g.IntN(3) == 0 {
				rules[i].Deny = g.clauses()
			}
		}
	}
	return rules
}

func (g *generator) clauses() (list policy.Clauses) {
	for range 1 + g.IntN(2) {
		list = append(list, policy.Clause{When: conditions()[g.IntN(len(conditions()))].text})
	}
	return list
}

// caller is one of those whom a rule that signs may meet.
func (g *generator) caller() *authz.Identity {
	id := authz.Identity{Source: "corp", Subject: g.one("alice", "bob"), Groups: []string{}}
	if g.IntN(2) == 0 {
		id.Groups = []string{"guests", "staff"}
	}
	return authz.NewIdentity(id)
}

// compiled leaves out rules that Compile refuses.
func (g *generator) compiled(t *testing.T, n int) ([]policy.Rule, *policy.Policy) {
	t.Helper()
	rules := g.rules(n, 0)
	for {
		p, err := policy.Compile(rules, within("corp"))
		if err == nil {
			return rules, p
		}
		refused := map[int]bool{}
		for _, m := range mistakes(t, err) {
			var at int
			if _, err := fmt.Sscanf(m.Path, "[%d]", &at); err != nil {
				t.Fatal(err)
			}
			refused[at] = true
		}
		var kept []policy.Rule
		for i, rule := range rules {
			if !refused[i] {
				kept = append(kept, rule)
			}
		}
		rules = kept
	}
}

func (g *generator) request(t *testing.T) *authz.Request {
	method, host, target := g.one("GET", "GET", "POST", "POST", "PUT", "CONNECT"), g.host(), ""
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if g.IntN(2) == 0 && !strings.Contains(host, "10.") && host[0] != '[' {
		host = g.one("x.", "c.", "X.") + host
	}
	if method != "CONNECT" {
		for range 1 + g.IntN(4) {
			target += "/" + g.one("v1", "a", "b", "ab", "aab", "vx1", "svc.A", "Get", "%61", "*", "**", "")
		}
		if g.IntN(20) == 0 {
			target += g.one("/../a", "//a", ";x", "%2f")
		}
	}
	r, denial := authz.NewRequest(method, "https", host, target)
	if denial != nil {
		t.Fatal(denial)
	}
	r.Headers = authz.HeaderMap{"content-type": {g.one("application/grpc", "application/grpc+proto", "Application/GRPC-Web", "application/json", "application/grpcx", "application/grpc,text/html")}}
	if g.IntN(10) == 0 {
		r.Headers = authz.HeaderMap{"content-type": {"application/grpc", "application/grpc"}}
	}
	r.Client, _ = netip.ParseAddr(g.one("10.1.2.3", "10.2.0.9", "::ffff:10.1.2.3", "192.0.2.7", "2001:db8::7", "2001:db8::7%eth0", "::1", "unknown"))
	r.Client = r.Client.WithZone("")
	r.Facts = route{extensions: map[string]string{"team": g.one("1", "2", ""), "tier": g.one("1", "2", "")}}
	return r
}

// TestTheIndexDecidesAsTheDocumentationSays compares it with plain, over sets of
// rules from one to many, and holds Lint to what it proves.
func TestTheIndexDecidesAsTheDocumentationSays(t *testing.T) {
	g := &generator{Rand: rand.New(rand.NewPCG(7, 11))}
	p := &plain{expressions: map[string]*regexp.Regexp{}}
	verdicts, owned, dead := map[string]int{}, 0, 0
	for set := range 2500 {
		size := 1 + g.IntN(1+set%50)
		if set%250 == 0 {
			size = 500
		}
		g.expressive = set%10 == 0
		rules, compiled := g.compiled(t, size)
		p.rules = rules
		unreached := newUnreached(compiled)
		dead += len(unreached.rules)
		for range 50 {
			r := g.request(t)
			want, got := p.verdict(r), verdict(t, compiled, r)
			if got != want {
				t.Fatalf("%s %s%s from %v, %v, %v: %s, want %s by\n%+v", r.Method, r.Host, r.RawPath, r.Client, r.Headers, r.Facts, got, want, rules)
			}
			if text := unreached.contradicts(got, r.Host); text != "" {
				t.Fatalf("%s %s%s reaches %s, but: %s\n%+v", r.Method, r.Host, r.RawPath, got, text, rules)
			}
			if rule := p.rule(p.rules, got); rule != nil && !rule.Public {
				id := g.caller()
				want, got := p.judge(rule, r, id), judgement(t, compiled, r, id)
				if got != want {
					t.Fatalf("%s %s%s, %v of %q by rule %+v: %s, want %s", r.Method, r.Host, r.RawPath, r.Facts, id.Groups, *rule, got, want)
				}
				verdicts[got]++
			}
			kind, _, _ := strings.Cut(got, "(")
			if kind != "no_rule" && kind != "ambiguous_path" {
				kind, owned = "rule", owned+1
			}
			verdicts[kind]++
		}
	}
	if owned < 30000 || verdicts["no_rule"] < 10000 || verdicts["ambiguous_path"] < 3000 || dead < 1000 ||
		verdicts["allowed"] < 800 || verdicts["not_allowed"] < 400 || verdicts["denied_by_rule"] < 250 || verdicts["policy_error"] < 100 {
		t.Errorf("the comparison says little: %v, %d rules of which no request is to reach any", verdicts, dead)
	}
}

// rule finds a rule by its name; nil if there is none.
func (p *plain) rule(rules []policy.Rule, name string) *policy.Rule {
	for i := range rules {
		if rules[i].Name == name {
			return &rules[i]
		}
		if found := p.rule(rules[i].Rules, name); found != nil {
			return found
		}
	}
	return nil
}

// judgement is what the policy says of a caller.
func judgement(t *testing.T, p *policy.Policy, r *authz.Request, id *authz.Identity) string {
	t.Helper()
	rule, _ := p.Match(r)
	_, err := rule.Judge.Judge(t.Context(), r, id)
	var denial *authz.Denial
	switch {
	case err == nil:
		return "allowed"
	case errors.As(err, &denial):
		return string(denial.Reason)
	}
	return err.Error()
}

// unreached is what Lint says that no request reaches.
type unreached struct {
	rules, hosts map[string]string // findings by rule; by rule and host
	at           map[string]string // rules by the paths of their options
}

var shadowedHost = regexp.MustCompile(`^no request for host (\S+) reaches rule (\w+):`)

func newUnreached(p *policy.Policy) *unreached {
	u := &unreached{map[string]string{}, map[string]string{}, map[string]string{}}
	for _, r := range policy.Routes(p) {
		u.at[r.Rule] = r.Path
	}
	for _, f := range policy.Lint(p) {
		switch f.Check {
		case policy.ShadowedRule, policy.Unreachable:
			u.rules[f.Path] = f.Text
		case policy.ShadowedHost:
			m := shadowedHost.FindStringSubmatch(f.Text)
			u.hosts[m[2]+" "+m[1]] = f.Text
		}
	}
	return u
}

// contradicts returns the finding that a request contradicts, if any.
func (u *unreached) contradicts(rule, host string) string {
	for path := range maps.Keys(u.rules) {
		if at := u.at[rule]; at == path || strings.HasPrefix(at, path+".") {
			return u.rules[path]
		}
	}
	return u.hosts[rule+" "+host]
}
