package policy

import (
	"math"
	"slices"
	"strings"
)

// tree holds the path globs of a group, by segments. Every glob is a way from
// the root; globs that begin alike share it.
//
// A search follows all ways that the path fits at once. A way without "**"
// reaches a state once at most. A state behind "**" is reached once for each
// segment of the path at most, because of nested "**" only the first arrival
// counts: it tries every later place itself. Work is thereby bounded by the
// product of the path's segments and the states behind "**" that begin like
// them; branches that hold later rules only are left out once a rule is found.
type tree struct {
	states  []state // the root is the first
	literal map[edge]int32
	partial map[edge][]partial // by the literal prefix of the segment
	nested  int                // states that need a bit of walk.seen
}

// maxNested bounds the "**" below another "**" that a tree holds.
const maxNested = 256

// edge leads from a state by a segment, or the prefix of one.
type edge struct {
	from int32
	text string
}

// partial leads to a state by segments with '*' beside other characters.
type partial struct {
	pattern string
	to      int32
}

// state is what a beginning of globs has in common. State 0, the root, is
// nobody's child: 0 stands for none.
type state struct {
	least    int     // the first rule here or below
	end      *bucket // globs that end here
	inside   *bucket // globs that end with "**" here
	named    bool    // has literal children
	any      int32   // child by "*"
	deep     int32   // child by "**" that is not the end
	bit      int32   // in walk.seen, for a "**" below another; -1: none
	prefixes []int   // lengths of the prefixes in tree.partial
}

func newTree() *tree {
	return &tree{states: []state{{least: math.MaxInt, bit: -1}}, literal: map[edge]int32{}, partial: map[edge][]partial{}}
}

// add adds the paths of a rule, or reports that they do not fit into the bounds.
func (t *tree) add(n *node) bool {
	for i := range n.paths {
		if !t.addGlob(&n.paths[i], n) {
			return false
		}
	}
	return true
}

func (t *tree) addGlob(g *pathGlob, n *node) bool {
	segments := g.split()
	at, behind := int32(0), false
	for i, segment := range segments {
		t.reach(at, n.order)
		if segment == "**" && i == len(segments)-1 {
			into(&t.states[at].inside).add(n)
			return true
		}
		if segment == "**" {
			if behind && t.states[at].deep == 0 && t.nested == maxNested {
				return false
			}
			at = t.deep(at, behind)
			behind = true
			continue
		}
		at = t.child(at, segment)
	}
	t.reach(at, n.order)
	into(&t.states[at].end).add(n)
	return true
}

func (t *tree) reach(at int32, order int) { t.states[at].least = min(t.states[at].least, order) }

func into(b **bucket) *bucket {
	if *b == nil {
		*b = &bucket{}
	}
	return *b
}

func (t *tree) newState() int32 {
	t.states = append(t.states, state{least: math.MaxInt, bit: -1})
	return int32(len(t.states) - 1)
}

func (t *tree) deep(at int32, behind bool) int32 {
	if to := t.states[at].deep; to != 0 {
		return to
	}
	to := t.newState()
	t.states[at].deep = to
	if behind {
		t.states[to].bit = int32(t.nested)
		t.nested++
	}
	return to
}

// child returns the state behind one segment, and makes it if there is none.
func (t *tree) child(at int32, segment string) int32 {
	prefix, _, wild := strings.Cut(segment, "*")
	e := edge{at, prefix}
	switch {
	case segment == "*":
		if t.states[at].any == 0 {
			to := t.newState()
			t.states[at].any = to
		}
		return t.states[at].any
	case !wild:
		if t.literal[e] == 0 {
			t.literal[e] = t.newState()
			t.states[at].named = true
		}
		return t.literal[e]
	}
	for _, p := range t.partial[e] {
		if p.pattern == segment {
			return p.to
		}
	}
	p := partial{segment, t.newState()}
	t.partial[e] = append(t.partial[e], p)
	if s := &t.states[at]; !slices.Contains(s.prefixes, len(prefix)) {
		s.prefixes = append(s.prefixes, len(prefix))
	}
	return p.to
}

func (w *walk) tree(t *tree) {
	if t.nested > 0 {
		w.seen = [len(w.seen)]uint64{}
	}
	w.visit(t, 0, 1)
}

// visit goes on from a state with the segment that begins at a position of the
// path; beyond its end when none is left.
func (w *walk) visit(t *tree, id int32, at int) {
	w.steps++
	s := &t.states[id]
	path := w.request.Path
	switch {
	case s.least >= w.limit:
		return
	case at > len(path):
		if s.end != nil {
			w.bucket(s.end)
		}
		return
	}
	if s.inside != nil {
		w.bucket(s.inside)
	}
	w.children(t, id, at, segmentEnd(path, at))
	if s.deep == 0 {
		return
	}
	if bit := t.states[s.deep].bit; bit >= 0 {
		if w.seen[bit/64]>>(bit%64)&1 == 1 {
			return
		}
		w.seen[bit/64] |= 1 << (bit % 64)
	}
	for at <= len(path) && t.states[s.deep].least < w.limit {
		end := segmentEnd(path, at)
		w.steps++
		w.children(t, s.deep, at, end)
		at = end + 1
	}
}

// children visits the states behind the segment path[at:end].
func (w *walk) children(t *tree, id int32, at, end int) {
	s, segment := &t.states[id], w.request.Path[at:end]
	if s.named {
		if to := t.literal[edge{id, segment}]; to != 0 {
			w.visit(t, to, end+1)
		}
	}
	if s.any != 0 {
		w.visit(t, s.any, end+1)
	}
	for _, length := range s.prefixes {
		if length > len(segment) {
			continue
		}
		for _, p := range t.partial[edge{id, segment[:length]}] {
			w.steps++
			if t.states[p.to].least < w.limit && wildcard(p.pattern, segment) {
				w.visit(t, p.to, end+1)
			}
		}
	}
}
