package privyseal

import "slices"

// document is what was written, as a tree that knows where.
type document struct {
	file string // name in diagnostics; "" if there is none
	text string // with LF line ends
	root *node
	read []string // files that the text or its references came from
}

// node is one value and where it was written.
type node struct {
	kind     kind
	at       position
	variable string // of the environment that gave the value; "" for the file
	raw      string // of a scalar, references unexpanded
	value    string // of a scalar
	fields   []field
	items    []*node
}

// field is one entry of a mapping.
type field struct {
	name string
	at   position
	*node
}

// position counts lines and characters from 1; the zero position is nowhere.
type position struct{ line, column int }

type kind string

// Kinds of nodes, as diagnostics call them.
const (
	mapping  kind = "a mapping"
	sequence kind = "a list"
	text     kind = "text"
	boolean  kind = "true or false"
	integer  kind = "a whole number"
	number   kind = "a number"
	null     kind = "nothing"
	broken   kind = "" // a mistake in it is reported already
)

// get returns the field of a mapping, or nil.
func (n *node) get(name string) *node {
	if n != nil {
		for _, f := range n.fields {
			if f.name == name {
				return f.node
			}
		}
	}
	return nil
}

// set replaces or adds a field of a mapping.
func (n *node) set(name string, value *node) {
	n.remove(name)
	n.fields = append(n.fields, field{name: name, at: value.at, node: value})
}

func (n *node) remove(name string) {
	n.fields = slices.DeleteFunc(n.fields, func(f field) bool { return f.name == name })
}
