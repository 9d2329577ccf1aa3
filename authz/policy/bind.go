package policy

import (
	"fmt"
	"maps"
	"slices"

	"privyseal/authz"
)

// bindings are the words of `bind:`.
func bindings() map[string]authz.Binding {
	return map[string]authz.Binding{
		"method": authz.BindMethod, "host": authz.BindHost, "path": authz.BindPath, "query": authz.BindQuery,
		"certificate": authz.BindCertificate,
	}
}

// binding compiles what a rule binds its assertions to, or returns what it
// inherits.
func (c *compiler) binding(path string, words []string, inherited authz.Binding) (b authz.Binding) {
	switch {
	case words == nil:
		return inherited
	case len(words) == 0:
		c.wrongf(path, "is empty: it would bind to nothing; name what to bind to, or leave it out")
	case c.env.Reuse > 0:
		c.wrongf(path, "contradicts assertion.reuse: what is bound to one request cannot be shared by several; remove one of them")
	}
	known := bindings()
	for i, word := range words {
		at, bit := fmt.Sprintf("%s[%d]", path, i), known[word]
		switch {
		case bit == 0:
			c.wrong(at, unknown("part to bind to", word, slices.Collect(maps.Keys(known))))
		case b&bit != 0:
			c.wrongf(at, "%s is named twice", word)
		}
		b |= bit
	}
	return b
}
