package policy

import (
	"slices"

	"privyseal/authz"
)

// node is a compiled rule: a leaf, which owns requests by its rule, or a rule
// that holds others.
type node struct {
	name     string
	order    int // among the rules of the first level
	hosts    hostSet
	paths    []pathGlob // nil: any
	methods  []string   // nil: any but CONNECT; inherited
	requires []extension
	rule     *authz.Rule // nil: not a leaf
	children []*node
}

// extension is a context extension that a match requires.
type extension struct{ key, value string }

// fits reports whether the node's own match fits a request.
func (n *node) fits(r *authz.Request) bool {
	return n.hosts.fits(r.Host) && n.fitsMethod(r.Method) && n.fitsPath(r.Path) && n.fitsExtensions(r)
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

// readsPath reports whether the path of a request to a host takes part in the
// decision, here or below.
func (n *node) readsPath(host string) bool {
	if !n.hosts.fits(host) {
		return false
	}
	return n.paths != nil || slices.ContainsFunc(n.children, func(child *node) bool { return child.readsPath(host) })
}

// owner descends from a node that fits to the leaf that owns the request.
func (n *node) owner(r *authz.Request) (*authz.Rule, *authz.Denial) {
	for n.rule == nil {
		child := firstFit(n.children, r)
		if child == nil {
			return nil, &authz.Denial{Reason: authz.NoRule, Rule: n.name}
		}
		n = child
	}
	return n.rule, nil
}

func firstFit(nodes []*node, r *authz.Request) *node {
	for _, n := range nodes {
		if n.fits(r) {
			return n
		}
	}
	return nil
}
