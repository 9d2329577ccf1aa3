package policy

import (
	"net/netip"
	"slices"
	"time"

	"privyseal/authz"
)

// Route is one line of the table that [Routes] returns: which requests, and what
// becomes of them.
type Route struct {
	Rule string // its name
	Path string // of the option, such as rules[3].rules[0]

	// Hosts are literal hosts, "*.example.com" and "*", as far as also the rules
	// around fit them; sorted.
	Hosts []string
	// Paths are lists of globs, the outermost rule's first: of each list one must
	// fit. Empty is any.
	Paths      [][]string
	Methods    []string          // empty is any but CONNECT
	GRPC       bool              // only with a content type of gRPC
	Networks   [][]netip.Prefix  // one of each list; empty is any client
	Extensions map[string]string // context extensions that must be set

	// Denies says that the line is what the rules within Rule leave over: it is
	// denied with [authz.NoRule]. The fields below are then empty.
	Denies bool

	Public       bool // no identity, no assertion
	Report       bool // allow clauses are recorded and not enforced
	Authenticate []string
	// Audience is the assertion's aud. Where it is empty and the route neither
	// Public nor Denies, it comes from where AudienceFrom says.
	Audience     string
	AudienceFrom authz.AudienceFrom
	TTL          time.Duration
}

// Routes returns what a policy does with which requests, in the order of
// evaluation: the first line that fits a request decides. What no line fits is
// denied. Lines that no request can fit are among them; [Lint] names them.
func Routes(p *Policy) []Route {
	var list []Route
	var walk func([]*node)
	walk = func(nodes []*node) {
		for _, n := range nodes {
			walk(n.children)
			list = append(list, n.route())
		}
	}
	walk(p.nodes)
	return list
}

func (n *node) route() Route {
	r := Route{Rule: n.name, Path: "rules" + n.path, Methods: slices.Clone(n.methods), Denies: n.rule == nil}
	for _, entry := range n.reach.entries() {
		r.Hosts = append(r.Hosts, written(entry))
	}
	for at := n; at != nil; at = at.parent {
		r.GRPC = r.GRPC || at.grpc
		if at.paths != nil {
			var globs []string
			for _, glob := range at.paths {
				globs = append(globs, glob.text)
			}
			r.Paths = slices.Insert(r.Paths, 0, globs)
		}
		if at.networks != nil {
			r.Networks = slices.Insert(r.Networks, 0, at.networks.list())
		}
		for _, e := range at.requires {
			if r.Extensions == nil {
				r.Extensions = map[string]string{}
			}
			r.Extensions[e.key] = e.value
		}
	}
	if n.rule != nil {
		r.Public, r.Report = n.rule.Public, n.rule.Report
		r.Audience, r.AudienceFrom, r.TTL = n.rule.Audience, n.rule.AudienceFrom, n.rule.TTL
	}
	if n.rule != nil && !n.rule.Public {
		r.Authenticate = slices.Clone(n.authenticate)
	}
	return r
}
