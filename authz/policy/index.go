package policy

import "iter"

// index finds the rules of the first level that a host may fit, in file order.
// It is a superset: whoever asks still asks each rule.
type index struct {
	literal map[string][]*node // rules that name the host and no pattern
	open    []*node            // rules with a pattern, or without hosts
}

func newIndex(nodes []*node) index {
	x := index{literal: map[string][]*node{}}
	for _, n := range nodes {
		if n.hosts.open() {
			x.open = append(x.open, n)
			continue
		}
		for host := range n.hosts.literals {
			x.literal[host] = append(x.literal[host], n)
		}
	}
	return x
}

// candidates merges the two lists, which are each in file order.
func (x *index) candidates(host string) iter.Seq[*node] {
	return func(yield func(*node) bool) {
		named, open := x.literal[host], x.open
		for len(named) > 0 || len(open) > 0 {
			from := &named
			if len(named) == 0 || len(open) > 0 && open[0].order < named[0].order {
				from = &open
			}
			if !yield((*from)[0]) {
				return
			}
			*from = (*from)[1:]
		}
	}
}
