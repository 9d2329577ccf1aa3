package privyseal

import (
	"errors"
	"strconv"
	"strings"

	"privyseal/authz"
)

// Problems turns what is wrong with the options of a loaded configuration into
// diagnostics: every error in err, however joined and wrapped, that has an
// OptionPath leading from the root of the configuration to the option. The path
// of an option error inside another continues it. Others have no place.
func (c *Config) Problems(err error) Diagnostics {
	return c.origin.annotated(c.origin.problems("", err))
}

func (d *document) problems(prefix string, err error) (list Diagnostics) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			list = append(list, d.problems(prefix, e)...)
		}
		return list
	}
	if already := Diagnostics(nil); errors.As(err, &already) {
		return already
	}
	if err == nil {
		return nil
	}
	inner := errors.Unwrap(err)
	if option, ok := err.(interface{ OptionPath() string }); ok {
		path := option.OptionPath()
		if prefix != "" && path != "" && path[0] != '[' {
			path = "." + path
		}
		if inner != nil {
			return d.problems(prefix+path, inner)
		}
		return Diagnostics{d.problem(prefix+path, strings.TrimPrefix(err.Error(), option.OptionPath()+": "))}
	}
	var located interface{ OptionPath() string }
	if inner != nil && errors.As(inner, &located) {
		return d.problems(prefix, inner)
	}
	return Diagnostics{d.problem(prefix, err.Error())}
}

// problem is what is wrong with the option at a path.
func (d *document) problem(path, message string) Diagnostic {
	n, at := d.find(path)
	p := Diagnostic{File: d.file, Path: path, Message: maskBlocks(n.unexpanded(message))}
	switch {
	case n.variable != "":
		p.File = "environment variable " + n.variable
	case at != position{}:
		p.Line, p.Column = at.line, at.column
	}
	return p
}

// find follows a path as far as it leads, and returns the value there and the
// place to point at.
func (d *document) find(path string) (*node, position) {
	n, at := d.root, position{}
	if n == nil { // not made by Load
		n = &node{}
	}
	for path != "" {
		next, rest := n.step(path)
		if next == nil {
			break
		}
		n, path, at = next.node, strings.TrimPrefix(rest, "."), next.node.at
		if (n.kind == mapping || n.kind == sequence) && next.name != "" {
			at = next.at // the key says more than what is below it
		}
	}
	return n, at
}

// step takes the longest key, or the index, that a path begins with. Keys may
// hold dots.
func (n *node) step(path string) (next *field, rest string) {
	for i, f := range n.fields {
		after, ok := strings.CutPrefix(path, f.name)
		if ok && (after == "" || after[0] == '.' || after[0] == '[') && (next == nil || len(f.name) > len(next.name)) {
			next, rest = &n.fields[i], after
		}
	}
	if next != nil || path[0] != '[' {
		return next, rest
	}
	number, rest, _ := strings.Cut(path[1:], "]")
	i, err := strconv.Atoi(number)
	switch {
	case err != nil || i < 0:
		return nil, ""
	case n.kind == mapping && i == 0: // one mapping stands for a list of one
		return &field{node: n, at: n.at}, rest
	case i >= len(n.items):
		return nil, ""
	}
	return &field{node: n.items[i], at: n.items[i].at}, rest
}

// unexpanded replaces, in a message about the value, what came from references
// by the references.
func (n *node) unexpanded(message string) string {
	if n.value != n.raw && n.value != "" {
		message = strings.ReplaceAll(message, strconv.Quote(n.value), strconv.Quote(n.raw))
		if len(n.value) > 3 { // shorter ones are parts of words, too
			message = strings.ReplaceAll(message, n.value, n.raw)
			message = strings.ReplaceAll(message, strings.ToLower(n.value), n.raw) // as a canonical form
		}
	}
	for _, item := range n.items {
		message = item.unexpanded(message)
	}
	for _, f := range n.fields {
		message = f.unexpanded(message)
	}
	return message
}

// option says at which option of the configuration a mistake is. Paths of option
// errors within err lead on from there.
func option(path string, err error) error {
	if err == nil {
		return nil
	}
	return &authz.OptionError{Path: path, Err: err}
}
