package policy

import (
	"fmt"
	"slices"
	"strings"
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
