package privyseal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a configuration file.
const (
	maxConfigBytes   = 1 << 20
	maxConfigDepth   = 32
	maxConfigEntries = 20000 // of one mapping or list
)

// parse reads YAML: one document that is a mapping, in UTF-8, without anchors,
// aliases, merge keys, tags and directives, so that it means what it shows and
// cannot be larger than it looks. A file that holds nothing is an empty mapping.
// There is no root if the text cannot be understood.
func (d *document) parse(source []byte) Diagnostics {
	source = bytes.TrimPrefix(source, []byte("\ufeff"))
	d.root = nil
	if len(source) > maxConfigBytes {
		return Diagnostics{{File: d.file, Message: fmt.Sprintf("is larger than %d bytes", maxConfigBytes)}}
	}
	d.text = strings.ReplaceAll(string(source), "\r\n", "\n")
	if wrong := d.unreadable(); wrong != nil {
		return wrong
	}
	body, wrong := d.syntax()
	if wrong != nil {
		return wrong
	}
	t := translator{document: d}
	root := &node{kind: mapping, at: position{1, 1}}
	if body != nil {
		root = t.node(body, 0)
	}
	if root.kind != mapping {
		t.refuse(root.at, "the configuration is "+string(root.kind)+", not a mapping", "start with: version: 1")
		return t.wrong
	}
	d.root = root
	return t.wrong
}

// unreadable reports characters that have no place in a configuration.
func (d *document) unreadable() (wrong Diagnostics) {
	for i, line := range strings.Split(d.text, "\n") {
		at := position{i + 1, 0}
		if len(wrong) == maxDiagnostics {
			break
		}
		for offset, r := range line {
			at.column++
			switch {
			case r == utf8.RuneError && !strings.HasPrefix(line[offset:], "\ufffd"):
				return append(wrong, d.diagnostic(at, "is not UTF-8", "save the file in UTF-8"))
			case r == '\t' && strings.Trim(line[:offset], " ") == "":
				wrong = append(wrong, d.diagnostic(at, "a tab indents the line", "YAML indents with spaces"))
			case unicode.IsControl(r) && r != '\t', r == '\u2028', r == '\u2029', r == '\ufeff':
				return append(wrong, d.diagnostic(at, fmt.Sprintf("holds the character U+%04X", r), "remove it"))
			}
		}
	}
	return wrong
}

// syntax parses the text. The parser recurses, so that its input is bounded in
// depth first, and is kept from taking the process down with it.
func (d *document) syntax() (body ast.Node, wrong Diagnostics) {
	defer func() {
		if p := recover(); p != nil {
			body, wrong = nil, Diagnostics{{File: d.file, Message: "cannot be parsed as YAML", Hint: "the YAML library failed on it: simplify the file until it passes"}}
		}
	}()
	tokens := lexer.Tokenize(d.text)
	if wrong := append(d.unsupported(tokens), d.oversized(tokens)...); wrong != nil {
		return nil, wrong
	}
	parsed, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, Diagnostics{d.syntaxError(err)}
	}
	for _, doc := range parsed.Docs {
		switch {
		case doc.Body == nil:
		case body != nil:
			return nil, Diagnostics{d.diagnostic(positionOf(doc.Start), "a second document starts here", "one file is one configuration: remove the line ---")}
		default:
			body = doc.Body
		}
	}
	return body, nil
}

func (d *document) syntaxError(err error) Diagnostic {
	var at yaml.Error
	if !errors.As(err, &at) {
		return Diagnostic{File: d.file, Message: "is not YAML"}
	}
	message, hint := at.GetMessage(), ""
	switch {
	case strings.HasPrefix(message, "mapping value is not allowed"):
		hint = `quote a value that holds ": "; or mind the indentation of the next line`
	case strings.Contains(message, "reserved character"):
		hint = "quote the value"
	case strings.Contains(message, "non-map value"), strings.Contains(message, "value is not allowed"):
		hint = "check the indentation, and that the key is followed by a colon and a space"
	}
	return d.diagnostic(positionOf(at.GetToken()), "is not YAML: "+mask(message), hint)
}

// unsupported refuses what we leave out of YAML.
func (d *document) unsupported(tokens token.Tokens) (wrong Diagnostics) {
	for _, tk := range tokens {
		message, hint := "", ""
		switch tk.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			message, hint = "anchors, aliases and merge keys are not supported", "write the value out; a text that starts with & or * needs quotes"
		case token.TagType:
			message, hint = "tags are not supported", "remove it; a text that starts with ! needs quotes"
		case token.DirectiveType:
			message, hint = "directives are not supported", "remove the line"
		case token.MappingKeyType:
			message, hint = "keys with a question mark are not supported", "write key: value"
		default:
			continue
		}
		if wrong = append(wrong, d.diagnostic(positionOf(tk), message, hint)); len(wrong) == maxDiagnostics {
			break
		}
	}
	return wrong
}

// oversized refuses what would cost the parser its stack, or time that grows
// with the square of the entries of a block.
func (d *document) oversized(tokens token.Tokens) Diagnostics {
	flow, dashes, line := 0, 0, 0
	entries := map[int]int{} // of the open blocks, by column
	for _, tk := range tokens {
		at := positionOf(tk)
		if at.line != line && tk.Type != token.CommentType {
			line, dashes = at.line, 0
			maps.DeleteFunc(entries, func(column, _ int) bool { return column > at.column })
			entries[at.column]++
		}
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType:
			dashes++
		}
		if flow+dashes > maxConfigDepth || len(entries) > 2*maxConfigDepth {
			return Diagnostics{d.diagnostic(at, fmt.Sprintf("is nested more than %d deep", maxConfigDepth), "")}
		}
		if entries[at.column] > maxConfigEntries {
			return Diagnostics{d.diagnostic(at, fmt.Sprintf("has more than %d entries", maxConfigEntries), "")}
		}
	}
	return nil
}

func positionOf(tk *token.Token) position {
	if tk == nil || tk.Position == nil {
		return position{}
	}
	return position{max(tk.Position.Line, 1), max(tk.Position.Column, 1)}
}

// translator turns the library's tree into ours.
type translator struct {
	*document
	wrong Diagnostics
}

func (t *translator) refuse(at position, message, hint string) {
	if len(t.wrong) < maxDiagnostics {
		t.wrong = append(t.wrong, t.diagnostic(at, message, hint))
	}
}

func (t *translator) node(from ast.Node, depth int) *node {
	n := &node{at: positionOf(from.GetToken())}
	if depth > maxConfigDepth {
		t.refuse(n.at, fmt.Sprintf("is nested more than %d deep", maxConfigDepth), "")
		return n
	}
	switch from := from.(type) {
	case *ast.MappingNode:
		n.kind = mapping
		if from.IsFlowStyle {
			n.at = positionOf(from.Start)
		} else if len(from.Values) > 0 {
			n.at = positionOf(from.Values[0].Key.GetToken())
		}
		t.fields(n, from.Values, depth)
	case *ast.MappingValueNode:
		n.kind, n.at = mapping, positionOf(from.Key.GetToken())
		t.fields(n, []*ast.MappingValueNode{from}, depth)
	case *ast.SequenceNode:
		n.kind = sequence
		for _, item := range from.Values {
			n.items = append(n.items, t.node(item, depth+1))
		}
	case *ast.StringNode:
		n.kind, n.raw = text, from.Value
	case *ast.LiteralNode:
		n.kind, n.raw = text, from.Value.Value
	case *ast.BoolNode:
		n.kind, n.raw = boolean, from.Token.Value
	case *ast.IntegerNode:
		n.kind, n.raw = integer, from.Token.Value
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		n.kind, n.raw = number, from.GetToken().Value
	case *ast.NullNode:
		n.kind = null
	default:
		t.refuse(n.at, "is not supported here", "")
	}
	n.value = n.raw
	return n
}

func (t *translator) fields(n *node, values []*ast.MappingValueNode, depth int) {
	first := make(map[string]int, len(values)) // line of each key
	for _, v := range values {
		at := positionOf(v.Key.GetToken())
		var name string
		switch key := v.Key.(type) {
		case *ast.StringNode:
			name = key.Value
		default:
			t.refuse(at, "a key is not text", "quote it")
			continue
		}
		if line, twice := first[name]; twice {
			t.refuse(at, "key "+excerpt(name)+" is written twice", fmt.Sprintf("the first one is in line %d", line))
			continue
		}
		first[name] = at.line
		n.fields = append(n.fields, field{name, at, t.node(v.Value, depth+1)})
	}
}
