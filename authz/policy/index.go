package policy

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"privyseal/authz"
)

// index finds, among the rules of one level, the first in file order that fits a
// request. A host leads to a few groups of rules, and in a group the path leads
// to the rules that fit it.
//
// Finding costs a look-up for each label of the host and, in each group found,
// what [tree] says; it hardly depends on the number of rules. Rules that the same
// hosts and paths fit, and that differ in methods or networks only, are asked
// one after the other.
type index struct {
	literal map[string]*group
	suffix  map[string]*group // ".example.com"
	any     *group
}

// first returns the first rule that fits, or nil.
func (x *index) first(r *authz.Request) *node {
	w := newWalk(r)
	x.search(&w)
	return w.best
}

func (x *index) search(w *walk) {
	w.group(x.literal[w.request.Host])
	if len(x.suffix) > 0 {
		host := w.request.Host
		for dot := nextDot(host, -1); dot >= 0; dot = nextDot(host, dot) {
			w.group(x.suffix[host[dot:]])
		}
	}
	w.group(x.any)
}

// group is the rules of a level that one entry of their hosts leads to.
type group struct {
	few  []*node // asked one after the other
	open bucket  // those of the others that read no path
	tree *tree   // by the paths of the others; nil: none
}

// Bounds of the index. What exceeds them is found more slowly, not differently.
const (
	fewPatterns = 8       // up to so many patterns are compared faster than indexed
	maxPatterns = 1 << 20 // in all groups; a rule's paths are in the group of each of its hosts
)

// indexer builds the indexes of a policy.
type indexer struct{ left int } // patterns that may still be indexed

// index builds the index of a level and of those below.
func (b *indexer) index(nodes []*node) index {
	x := index{literal: map[string]*group{}, suffix: map[string]*group{}}
	byHost := map[string][]*node{}
	for i, n := range nodes {
		n.order = i
		n.inner = b.index(n.children)
		for _, entry := range n.hosts.entries() {
			byHost[entry] = append(byHost[entry], n)
		}
	}
	shared := map[string]*group{} // hosts of the same rules share a group
	for _, entry := range slices.Sorted(maps.Keys(byHost)) {
		list := byHost[entry]
		key := orders(list)
		g := shared[key]
		if g == nil {
			g = b.group(list)
			shared[key] = g
		}
		switch {
		case entry == anyHost:
			x.any = g
		case entry[0] == '.':
			x.suffix[entry] = g
		default:
			x.literal[entry] = g
		}
	}
	return x
}

func orders(nodes []*node) string {
	var key []byte
	for _, n := range nodes {
		key = binary.AppendUvarint(key, uint64(n.order))
	}
	return string(key)
}

func (b *indexer) group(nodes []*node) *group {
	patterns := 0
	for _, n := range nodes {
		patterns += max(1, len(n.paths))
	}
	if patterns <= fewPatterns || patterns > b.left {
		return &group{few: nodes}
	}
	b.left -= patterns
	g := &group{tree: newTree()}
	for _, n := range nodes {
		switch {
		case n.paths == nil:
			g.open.add(n)
		case !g.tree.add(n):
			g.few = append(g.few, n)
		}
	}
	return g
}

// bucket is rules that the same hosts and paths fit, in file order. Those that
// require a context extension are found by the value of it.
type bucket struct {
	plain []*node
	keys  []string
	keyed map[extension][]*node
}

func (b *bucket) add(n *node) {
	if len(n.requires) == 0 {
		b.plain = appendOnce(b.plain, n)
		return
	}
	by := n.requires[0]
	if b.keyed == nil {
		b.keyed = map[extension][]*node{}
	}
	if !slices.Contains(b.keys, by.key) {
		b.keys = append(b.keys, by.key)
	}
	b.keyed[by] = appendOnce(b.keyed[by], n)
}

// appendOnce appends a node that may be the last one already: a rule may list one
// path twice.
func appendOnce(list []*node, n *node) []*node {
	if len(list) > 0 && list[len(list)-1] == n {
		return list
	}
	return append(list, n)
}

// walk is the search for the first rule that fits one request. It lives on the
// stack.
type walk struct {
	request *authz.Request
	best    *node
	limit   int // the order of best: later rules are of no interest
	steps   int // states visited and rules asked
	seen    [maxNested / 64]uint64
}

func newWalk(r *authz.Request) walk { return walk{request: r, limit: math.MaxInt} }

func (w *walk) group(g *group) {
	if g == nil {
		return
	}
	for _, n := range g.few {
		w.steps++
		if n.order >= w.limit {
			break
		}
		if n.fitsRest(w.request) && n.fitsPath(w.request.Path) {
			w.found(n)
			break
		}
	}
	w.bucket(&g.open)
	if g.tree != nil {
		w.tree(g.tree)
	}
}

func (w *walk) bucket(b *bucket) {
	w.ask(b.plain)
	for _, key := range b.keys {
		if value := w.request.Facts.Extension(key); value != "" {
			w.ask(b.keyed[extension{key, value}])
		}
	}
}

// ask asks rules, in file order, for all but host and path.
func (w *walk) ask(nodes []*node) {
	for _, n := range nodes {
		w.steps++
		if n.order >= w.limit {
			return
		}
		if n.fitsRest(w.request) {
			w.found(n)
			return
		}
	}
}

func (w *walk) found(n *node) { w.best, w.limit = n, n.order }
