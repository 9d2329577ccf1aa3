package policy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"privyseal/authz"
)

// Compile makes a policy of rules, or returns all that is wrong with them:
// [authz.OptionError] values joined, with paths such as "[2].match.hosts[0]".
// Rules are not kept.
func Compile(rules []Rule, env Env) (*Policy, error) {
	c := compiler{env: env, sources: map[string]Source{}, names: map[string]string{}, hosts: map[string]bool{}, headers: map[string]string{}}
	c.env.Issuer = cmp.Or(env.Issuer, "host")
	c.env.TTL = cmp.Or(env.TTL, authz.DefaultTTL)
	top := scope{ttl: c.env.TTL, hosts: &hostSet{any: true}}
	primary := ""
	for _, source := range env.Sources {
		c.sources[source.Name] = source
		top.authenticate = append(top.authenticate, source.Name)
		if source.Primary && primary != "" {
			c.errs = append(c.errs, fmt.Errorf("sources %s and %s are both primary: the same sub could mean two people; mark one", primary, source.Name))
		}
		if source.Primary {
			primary = source.Name
		}
	}
	nodes := c.list("", rules, nil, &top)
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	c.nameSubjects()
	return &Policy{
		nodes:   nodes,
		index:   (&indexer{left: maxPatterns}).index(nodes),
		reading: c.reading,
		rules:   c.leaves,
		hosts:   slices.Sorted(maps.Keys(c.hosts)),
		headers: slices.Sorted(maps.Values(c.headers)),
		sources: top.authenticate,
		maxTTL:  cmp.Or(c.maxTTL, c.env.TTL),
	}, nil
}

// compiler collects what is wrong, and what is known across rules.
type compiler struct {
	env     Env
	sources map[string]Source
	names   map[string]string // of rules, to their paths
	count   int
	errs    []error

	leaves   []*authz.Rule
	speaking []speaker       // those that sign
	hosts    map[string]bool // their literal hosts
	maxTTL   time.Duration
	reading  hostSet           // the hosts of rules that read the path
	headers  map[string]string // claim headers by their spelling with '-'

	expressions *expressions // nil until a rule has one
}

// scope is what a rule inherits.
type scope struct {
	depth    int
	hosts    *hostSet // those that can fit
	literals []string // the same, sorted; nil: not all are literal
	methods  []string // nil: any but CONNECT

	hostText, pathText []string // innermost given, for the pattern
	networks           []netip.Prefix
	requires           []extension

	audience     string
	audienceFrom authz.AudienceFrom
	authenticate []string
	explain      string
	ttl          time.Duration
	bind         authz.Binding
	claimHeaders []authz.ClaimHeader
	report       bool
}

func (c *compiler) wrong(path string, err error) {
	if err != nil {
		c.errs = append(c.errs, &authz.OptionError{Path: path, Err: err})
	}
}

func (c *compiler) wrongf(path, format string, args ...any) {
	c.wrong(path, fmt.Errorf(format, args...))
}

// list compiles the rules of one level.
func (c *compiler) list(path string, rules []Rule, parent *node, around *scope) []*node {
	nodes := make([]*node, 0, len(rules))
	for i := range rules {
		if c.count++; c.count > maxRules {
			if c.count == maxRules+1 {
				c.wrongf(fmt.Sprintf("%s[%d]", path, i), "is rule number %d; a policy has at most %d", c.count, maxRules)
			}
			return nodes
		}
		nodes = append(nodes, c.rule(fmt.Sprintf("%s[%d]", path, i), &rules[i], parent, around))
	}
	return nodes
}

// rule compiles one rule and those within it.
func (c *compiler) rule(path string, r *Rule, parent *node, around *scope) *node {
	c.name(path+".name", r.Name)
	c.text(path+".explain", r.Explain, maxExplain)
	n := &node{name: r.Name, path: path, parent: parent}
	within := *around
	within.depth++
	c.match(path+".match", &r.Match, n, &within)
	if r.Public {
		c.public(path, r)
	} else {
		c.inherit(path, r, &within)
	}
	within.explain = cmp.Or(r.Explain, around.explain)
	if r.Rules != nil {
		c.nested(path, r, n, &within)
		return n
	}
	n.rule = c.leaf(path, r, &within)
	n.authenticate, n.remarks = slices.Clone(within.authenticate), remarks(path, r)
	n.nobody = r.Allow != nil && len(r.Allow) == 0 && !within.report
	if readsPath(n.rule.Judge) {
		c.reading.join(n.reach)
	}
	c.leaves = append(c.leaves, n.rule)
	return n
}

func (c *compiler) name(path, name string) {
	if err := validName(name); err != nil {
		c.wrong(path, err)
		return
	}
	if first, taken := c.names[name]; taken {
		c.wrongf(path, "%s is also the name of rules%s; records could not tell them apart", name, strings.TrimSuffix(first, ".name"))
		return
	}
	c.names[name] = path
}

// nested compiles the rules within a rule.
func (c *compiler) nested(path string, r *Rule, n *node, within *scope) {
	if r.Public || r.Allow != nil || r.Deny != nil {
		c.wrongf(path+".rules", "stands beside public, allow or deny: a rule either holds rules or decides; move them into a rule of their own")
	}
	if r.Claims != nil {
		c.wrongf(path+".claims", "stands beside rules, which do not inherit it; move it to those that sign")
	}
	switch {
	case len(r.Rules) == 0:
		c.wrongf(path+".rules", "is empty: the rule would deny all that it matches; add rules, or allow or public")
	case within.depth == maxDepth:
		c.wrongf(path+".rules", "is nested deeper than %d", maxDepth)
	default:
		n.children = c.list(path+".rules", r.Rules, n, within)
	}
}

// public refuses what would have no effect on a public rule.
func (c *compiler) public(path string, r *Rule) {
	for _, key := range []struct {
		name  string
		given bool
	}{
		{"audience", r.Audience != ""}, {"audience_from", r.AudienceFrom != ""}, {"authenticate", r.Authenticate != nil},
		{"ttl", r.TTL != 0}, {"bind", r.Bind != nil}, {"claims", r.Claims != nil}, {"claim_headers", r.ClaimHeaders != nil}, {"mode", r.Mode != ""},
		{"deny", r.Deny != nil}, {"allow", r.Allow != nil},
	} {
		if key.given {
			c.wrongf(path+"."+key.name, "has no meaning on a public rule, which asks for no identity; remove it, or public")
		}
	}
}

// inherit applies what the rule says itself to what it inherits.
func (c *compiler) inherit(path string, r *Rule, within *scope) {
	if r.TTL != 0 {
		c.wrong(path+".ttl", authz.ValidTTL(r.TTL))
		within.ttl = r.TTL
	}
	within.bind = c.binding(path+".bind", r.Bind, within.bind)
	if r.ClaimHeaders != nil {
		within.claimHeaders = c.claimHeaders(path+".claim_headers", r.ClaimHeaders)
	}
	if r.Mode != "" {
		within.report = r.Mode == "report"
	}
	if r.Mode != "" && r.Mode != "enforce" && r.Mode != "report" {
		c.wrong(path+".mode", unknown("mode", r.Mode, []string{"enforce", "report"}))
	}
	if r.Authenticate != nil {
		c.authenticate(path+".authenticate", r.Authenticate)
		within.authenticate = r.Authenticate
	}
	if r.AudienceFrom != "" && r.AudienceFrom != "context" {
		c.wrongf(path+".audience_from", `is not "context"; for the request's host leave it and audience out`)
	}
	if r.Audience != "" && r.AudienceFrom != "" {
		c.wrongf(path+".audience_from", "contradicts audience; give one of them")
	}
	switch {
	case r.Audience != "":
		c.wrong(path+".audience", validAudience(r.Audience))
		within.audience, within.audienceFrom = r.Audience, authz.AudienceHost
	case r.AudienceFrom != "":
		within.audience, within.audienceFrom = "", authz.AudienceContext
	}
}

func (c *compiler) authenticate(path string, names []string) {
	if len(names) == 0 {
		c.wrongf(path, "is empty: nobody could pass; leave it out for all sources, or say public: true")
	}
	for i, name := range names {
		at := fmt.Sprintf("%s[%d]", path, i)
		if _, known := c.sources[name]; !known {
			c.wrong(at, unknown("source", name, slices.Collect(maps.Keys(c.sources))))
		} else if slices.Contains(names[:i], name) {
			c.wrongf(at, "%s is named twice", name)
		}
	}
}

// leaf makes the rule that the authorizer follows.
func (c *compiler) leaf(path string, r *Rule, s *scope) *authz.Rule {
	rule := &authz.Rule{Name: r.Name, Pattern: s.pattern(), Explain: s.explain, Public: r.Public}
	if r.Public {
		return rule
	}
	if r.Allow == nil {
		c.wrongf(path+".allow", "is missing: say who may, or public: true")
	}
	if len(s.authenticate) == 0 && r.Authenticate == nil {
		c.wrongf(path+".authenticate", "cannot name anybody: no identity source is configured")
	}
	c.tied(path, s)
	rule.Judge = &judge{
		rule: r.Name, report: s.report, sources: c.trust(s.authenticate),
		deny: c.clauses(path+".deny", r.Deny, s.authenticate, true), allow: c.clauses(path+".allow", r.Allow, s.authenticate, false),
		claims: c.claims(path+".claims", r.Claims),
	}
	rule.Audience, rule.AudienceFrom, rule.TTL, rule.Bind = s.audience, s.audienceFrom, s.ttl, s.bind
	rule.ClaimHeaders, rule.Report = s.claimHeaders, s.report
	c.speaking = append(c.speaking, speaker{rule, s.authenticate, s.audiences()})
	if c.env.Authenticators != nil && len(c.errs) == 0 {
		rule.Authenticate = c.env.Authenticators(slices.Clone(s.authenticate))
	}
	c.maxTTL = max(c.maxTTL, rule.TTL)
	for _, host := range s.literals {
		c.hosts[host] = true
	}
	return rule
}

// speaker is a rule that signs: the sources it admits and the audiences it may
// speak to; nil audiences are any.
type speaker struct {
	rule      *authz.Rule
	sources   []string
	audiences []string
}

func (s *scope) audiences() []string {
	switch {
	case s.audience != "":
		return []string{s.audience}
	case s.audienceFrom == authz.AudienceContext:
		return nil
	}
	return s.literals
}

// nameSubjects tells each rule all sources that can speak to an audience of its:
// of two people called alice an application must be told which one calls,
// whichever rules let them in.
func (c *compiler) nameSubjects() {
	heard := map[string]map[string]bool{} // sources, by audience
	anyone, anywhere := map[string]bool{}, map[string]bool{}
	add := func(to map[string]bool, names []string) {
		for _, name := range names {
			to[name] = true
		}
	}
	for _, s := range c.speaking {
		add(anyone, s.sources)
		if s.audiences == nil {
			add(anywhere, s.sources)
		}
		for _, audience := range s.audiences {
			if heard[audience] == nil {
				heard[audience] = map[string]bool{}
			}
			add(heard[audience], s.sources)
		}
	}
	for _, s := range c.speaking {
		speaks := func(name string) bool {
			return s.audiences == nil && anyone[name] || anywhere[name] ||
				slices.ContainsFunc(s.audiences, func(audience string) bool { return heard[audience][name] })
		}
		for _, source := range c.env.Sources {
			if speaks(source.Name) {
				s.rule.Sources = append(s.rule.Sources, source.Name)
				if source.Primary {
					s.rule.Primary = source.Name
				}
			}
		}
	}
}

// tied holds that a client cannot choose who the assertion says it is from and
// for: both come from the rule, the route, or hosts that the rule names.
func (c *compiler) tied(path string, s *scope) {
	switch {
	case s.literals != nil:
	case c.env.Issuer.PerHost():
		c.wrongf(path+".match.hosts", "must name literal hosts only, because issuer %q depends on the request's host; name them, or set issuer to a URL", c.env.Issuer)
	case s.audience == "" && s.audienceFrom == authz.AudienceHost:
		c.wrongf(path+".audience", "is missing, and the rule's hosts are not all literal: the client would choose the audience; name it, or say audience_from: context")
	}
}

// trust returns the admitted sources and whether e-mail of each is trusted.
func (c *compiler) trust(names []string) map[string]bool {
	trust := make(map[string]bool, len(names))
	for _, name := range names {
		trust[name] = c.sources[name].TrustEmail
	}
	return trust
}
