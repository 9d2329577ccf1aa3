package policy

import (
	"slices"

	"privyseal/authz"
)

// node is a compiled rule: a leaf, which owns requests by its rule, or a rule
// that holds others.
type node struct {
	name     string
	path     string // of the option, such as [2].rules[0]
	order    int    // among the rules of its level
	hosts    hostSet
	paths    []pathGlob // nil: any
	methods  []string   // nil: any but CONNECT; inherited
	grpc     bool
	networks *networks
	requires []extension // its own, sorted by key
	rule     *authz.Rule // nil: not a leaf

	children []*node
	inner    index // of children

	reach        *hostSet // the hosts that also the rules around fit
	parent       *node
	authenticate []string // a leaf's sources
	nobody       bool     // a leaf that admits nobody
	remarks      []Finding
}

// extension is a context extension that a match requires.
type extension struct{ key, value string }

// fitsRest reports whether all but host and path fit.
func (n *node) fitsRest(r *authz.Request) bool {
	return n.fitsMethod(r.Method) && n.fitsExtensions(r) && n.networks.fit(r.Client) && (!n.grpc || isGRPC(r.Headers))
}

func (n *node) fitsMethod(method string) bool {
	if n.methods == nil {
		return method != "CONNECT"
	}
	return slices.Contains(n.methods, method)
}

func (n *node) fitsPath(path string) bool {
	if n.paths == nil {
		return true
	}
	for i := range n.paths {
		if n.paths[i].fits(path) {
			return true
		}
	}
	return false
}

func (n *node) fitsExtensions(r *authz.Request) bool {
	for _, want := range n.requires {
		if r.Facts.Extension(want.key) != want.value {
			return false
		}
	}
	return true
}

// owner descends from a node that fits to the leaf that owns the request.
func (n *node) owner(r *authz.Request) (*authz.Rule, *authz.Denial) {
	for n.rule == nil {
		child := n.inner.first(r)
		if child == nil {
			return nil, &authz.Denial{Reason: authz.NoRule, Rule: n.name}
		}
		n = child
	}
	return n.rule, nil
}
