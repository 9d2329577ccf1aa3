package policy

import (
	"fmt"
	"slices"
	"strings"

	"privyseal/authz"
)

// Finding is something in a policy that is allowed and hardly meant.
type Finding struct {
	Path  string // of the option, such as rules[3].match.hosts[1]
	Check string // which of the checks below; stable
	Text  string // why, and what to do, in a sentence
}

// The checks of [Lint].
const (
	ShadowedRule = "shadowed-rule"   // earlier rules own whatever the rule fits
	ShadowedHost = "shadowed-host"   // the same for one of its hosts
	ShadowedPath = "shadowed-path"   // the same for one of its paths
	WildcardHost = "wildcard-host"   // an earlier rule's wildcard takes a path of a host that the rule names
	Unreachable  = "unreachable"     // what the rule fits, a rule around it does not
	AllowAll     = "allow-all"       // whoever is known may
	PublicAll    = "public-all"      // a public rule for every path
	EmptyList    = "empty-list"      // a clause that holds for nobody
	OnlyReport   = "report-only"     // the rule does not enforce its allow clauses
	GRPCLeft     = "grpc-other-ways" // a later rule owns what comes to a gRPC path in another way
)

// Lint returns what is suspicious in a policy, in the order of the rules. That
// something is shadowed or unreachable is proven: no request reaches it. The
// converse does not hold: rules that only several others together make
// unreachable may go unnoticed.
func Lint(p *Policy) []Finding {
	l := linter{}
	l.level(p.nodes, &p.index)
	for i := range l.findings {
		l.findings[i].Path = "rules" + l.findings[i].Path
	}
	return l.findings
}

type linter struct{ findings []Finding }

func (l *linter) add(path, check, format string, args ...any) {
	l.findings = append(l.findings, Finding{path, check, fmt.Sprintf(format, args...)})
}

func (l *linter) level(nodes []*node, x *index) {
	for i, n := range nodes {
		switch {
		case apart(n):
			l.add(n.path, Unreachable, "rule %s fits no path that the rules around it fit: correct its paths, or move it out", n.name)
			continue
		case l.shadow(nodes[:i], n, x):
			continue
		}
		l.rule(n)
		l.findings = append(l.findings, n.remarks...)
		if n.grpc {
			l.otherWays(nodes[i+1:], n)
		}
		l.level(n.children, &n.inner)
	}
}

func (l *linter) rule(n *node) {
	switch {
	case n.rule == nil:
	case n.rule.Report:
		l.add(n.path, OnlyReport, "rule %s records what its allow clauses refuse and lets it through: remove mode once the records are as expected", n.name)
	case n.rule.Public && n.everyPath():
		l.add(n.path, PublicAll, "rule %s lets everybody through to every path: name the paths that are meant to be public", n.name)
	}
}

// everyPath reports whether neither the rule nor one around it leaves a path out.
func (n *node) everyPath() bool {
	for ; n != nil; n = n.parent {
		if !n.coversPath(everything) {
			return false
		}
	}
	return true
}

// apart reports whether the paths of a rule and of one around it are disjoint.
func apart(n *node) bool {
	for around := n.parent; around != nil && n.paths != nil; around = around.parent {
		if around.paths != nil && !meet(n.paths, around.paths) {
			return true
		}
	}
	return false
}

// meet reports whether some path may fit a glob of each list.
func meet(a, b []pathGlob) bool {
	return slices.ContainsFunc(a, func(one pathGlob) bool {
		return slices.ContainsFunc(b, func(other pathGlob) bool { return one.meets(&other) })
	})
}

// otherWays looks for a later rule that owns requests to the paths of a gRPC rule
// that do not look like gRPC, up to one that refuses them all.
func (l *linter) otherWays(later []*node, n *node) {
	hosts := n.reach.entries()
	for _, next := range later {
		if next.grpc || next.networks != nil || len(next.requires) > 0 || !next.fitsMethod("POST") || !slices.ContainsFunc(hosts, next.hosts.covers) {
			continue
		}
		open := func(entry string) bool { return !next.hosts.covers(entry) }
		left := func(glob pathGlob) bool { return !next.coversPath(glob) }
		if next.nobody && !slices.ContainsFunc(hosts, open) && !slices.ContainsFunc(n.paths, left) {
			return
		}
		if !next.nobody && (next.paths == nil || meet(n.paths, next.paths)) {
			l.add(n.path, GRPCLeft, "rule %s owns requests to these methods that do not say they are gRPC, and the application may answer them: "+
				"put a rule that denies these paths (an empty allow) between the two, unless it is as strict", next.name)
			return
		}
	}
}

func (n *node) coversPath(glob pathGlob) bool {
	return n.paths == nil || slices.ContainsFunc(n.paths, func(own pathGlob) bool { return own.covers(&glob) })
}

// remarks are what the rule's own options say.
func remarks(path string, r *Rule) []Finding {
	var l linter
	for i := range r.Allow {
		if opens(&r.Allow[i]) {
			l.add(fmt.Sprintf("%s.allow[%d]", path, i), AllowAll, "every caller that the sources of rule %s know may: say which groups, domains or subjects, unless that is meant", r.Name)
		}
		l.empty(fmt.Sprintf("%s.allow[%d]", path, i), &r.Allow[i], "admits nobody")
	}
	if r.Allow != nil && len(r.Allow) == 0 {
		l.add(path+".allow", EmptyList, "rule %s admits nobody: add a clause, unless that is meant", r.Name)
	}
	for i := range r.Deny {
		l.empty(fmt.Sprintf("%s.deny[%d]", path, i), &r.Deny[i], "refuses nobody")
	}
	return l.findings
}

// opens reports whether a clause holds for every identity.
func opens(c *Clause) bool {
	when := strings.TrimSpace(c.When)
	return c.Groups == nil && c.Emails == nil && c.Domains == nil && c.Subjects == nil && (c.From == nil || len(c.From) > 0) &&
		(when == "" || when == "true")
}

func (l *linter) empty(path string, c *Clause, effect string) {
	for _, key := range []struct {
		name string
		list []string
	}{{"from", c.From}, {"groups", c.Groups}, {"emails", c.Emails}, {"domains", c.Domains}, {"subjects", c.Subjects}} {
		if key.list != nil && len(key.list) == 0 {
			l.add(path+"."+key.name, EmptyList, "the list is empty, so the clause %s: add a value, or remove the clause", effect)
		}
	}
	if strings.TrimSpace(c.When) == "false" {
		l.add(path+".when", EmptyList, "the expression is false, so the clause %s: remove the clause", effect)
	}
}

// maxPairs bounds the pairs of a host and a path that are looked at one by one
// for a rule; one with more is taken for reached.
const maxPairs = 1 << 12

// shadow looks at each pair of a host and a path that a rule fits, and at the
// earlier rule that owns all of it, if there is one. It reports whether nothing
// is left.
func (l *linter) shadow(earlier []*node, n *node, x *index) bool {
	hosts, paths := n.reach.entries(), n.paths
	if paths == nil {
		paths = []pathGlob{{}}
	}
	if len(earlier) == 0 || len(hosts)*len(paths) > maxPairs {
		return false
	}
	taken := make([][]*node, len(hosts)) // by host and path
	for h, host := range hosts {
		taken[h] = make([]*node, len(paths))
		for p := range paths {
			taken[h][p] = n.takenBy(earlier, x, host, &paths[p])
		}
	}
	return l.shadowed(n, hosts, paths, taken)
}

func (l *linter) shadowed(n *node, hosts []string, paths []pathGlob, taken [][]*node) bool {
	if whole(taken) {
		l.add(n.path, ShadowedRule, "no request reaches rule %s: %s above it %s whatever it fits; move it up, or remove it", n.name, names(taken), own(taken))
		return true
	}
	dead := make([]bool, len(paths)) // for all hosts
	for p := range paths {
		var column [][]*node
		for _, row := range taken {
			column = append(column, row[p:p+1])
		}
		if dead[p] = whole(column); dead[p] {
			l.add(n.path+".match.paths", ShadowedPath, "no request for path %s reaches rule %s: %s above it %s it; move the rule up, or remove the path",
				paths[p].text, n.name, names(column), own(column))
		}
	}
	for h, row := range taken {
		if one := taken[h : h+1]; whole(one) {
			l.add(n.path+".match.hosts", ShadowedHost, "no request for host %s reaches rule %s: %s above it %s it; move the rule up, or remove the host",
				written(hosts[h]), n.name, names(one), own(one))
			continue
		}
		for p, by := range row {
			if by != nil && !dead[p] && n.hosts.literals[hosts[h]] && !by.hosts.any && !by.hosts.literals[hosts[h]] {
				l.add(n.path+".match.paths", WildcardHost, "path %s of host %s belongs to rule %s above, whose hosts have a wildcard, and not to rule %s: move this rule up, unless that is meant",
					paths[p].text, hosts[h], by.name, n.name)
			}
		}
	}
	return false
}

// whole reports whether nothing of a table is left.
func whole(table [][]*node) bool {
	return !slices.ContainsFunc(table, func(row []*node) bool { return slices.Contains(row, nil) })
}

// names names the rules of a table, each once.
func names(table [][]*node) string {
	list := slices.Concat(table...)
	var text []string
	for _, n := range list {
		if !slices.Contains(text, n.name) {
			text = append(text, n.name)
		}
	}
	if len(text) > 3 {
		text = append(text[:3], "others")
	}
	return strings.Join(text, ", ")
}

func own(table [][]*node) string {
	if strings.Contains(names(table), ",") {
		return "own"
	}
	return "owns"
}

func written(entry string) string {
	if entry[0] == '.' {
		return "*" + entry
	}
	return entry
}

// takenBy returns an earlier rule that fits every request to a host and path
// that n fits, or nil. One request that n fits tells most often that there is
// none: the index leads to n itself.
func (n *node) takenBy(earlier []*node, x *index, host string, path *pathGlob) *node {
	if x.first(n.example(host, path)) == n {
		return nil
	}
	for _, by := range earlier {
		if by.takes(n, host, path) {
			return by
		}
	}
	return nil
}

// takes reports whether n fits every request to a host and path that later
// fits, by what each says and inherits.
func (n *node) takes(later *node, host string, path *pathGlob) bool {
	if path.text == "" && !later.fitsMethod("CONNECT") {
		path = &everything
	}
	if !n.hosts.covers(host) || n.paths != nil && (path.text == "" || !n.coversPath(*path)) {
		return false
	}
	if n.grpc && !later.grpc || !n.networks.covers(later.networks) {
		return false
	}
	if later.methods == nil && n.methods != nil || slices.ContainsFunc(later.methods, func(m string) bool { return !n.fitsMethod(m) }) {
		return false
	}
	return !slices.ContainsFunc(n.requires, func(want extension) bool { return !slices.Contains(later.requires, want) })
}

// example is a request that a rule fits, unless the rules around do not.
func (n *node) example(host string, path *pathGlob) *authz.Request {
	r := &authz.Request{Method: "EXAMPLE", Host: host, Headers: authz.HeaderMap{}, Facts: requirements{required: n.requires}}
	switch {
	case host == anyHost:
		r.Host = "host.privyseal-example"
	case host[0] == '.':
		r.Host = "host" + host
	}
	if len(n.methods) > 0 {
		r.Method = n.methods[0]
	}
	if n.networks != nil {
		r.Client = n.networks.list()[0].Addr()
	}
	if n.grpc {
		r.Headers = authz.HeaderMap{"content-type": {"application/grpc"}}
	}
	switch {
	case path.text != "":
		r.Path = strings.ReplaceAll(strings.ReplaceAll(path.text, "**", "some/path"), "*", "some")
	case r.Method != "CONNECT":
		r.Path = "/some/path"
	}
	return r
}

// requirements are facts that say what a rule requires.
type requirements struct {
	authz.NoFacts
	required []extension
}

func (f requirements) Extension(key string) string {
	for _, e := range f.required {
		if e.key == key {
			return e.value
		}
	}
	return ""
}
