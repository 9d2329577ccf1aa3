package privyseal

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Bounds of what references may bring in.
const (
	maxReferencedFile = 64 << 10
	maxReferenced     = 4 << 20 // all together
)

// expander replaces references in text values, after parsing and once: what a
// reference brings in is text, whatever it looks like.
//
//	${NAME}        the environment variable; unset is an error
//	${NAME:-text}  the same, or the text if it is unset or empty
//	${file:path}   the content of a file without one newline at its end
//	$$             a dollar
type expander struct {
	*document
	lookup func(name string) (string, bool)
	file   func(name string) ([]byte, error) // relative to the folder of the configuration
	bytes  int
	wrong  Diagnostics
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// tree expands every text value below a node.
func (e *expander) tree(path string, n *node) {
	if n.kind == text {
		e.text(path, n)
	}
	for _, f := range n.fields {
		e.tree(strings.TrimPrefix(path+"."+f.name, "."), f.node)
	}
	for i, item := range n.items {
		e.tree(fmt.Sprintf("%s[%d]", path, i), item)
	}
}

func (e *expander) text(path string, n *node) {
	if !strings.Contains(n.raw, "$") {
		return
	}
	value, err := e.expand(n.raw)
	if err != nil {
		n.kind, n.value = broken, ""
		if len(e.wrong) < maxDiagnostics {
			p := e.diagnostic(n.at, err.Error(), "")
			p.Path = path
			e.wrong = append(e.wrong, p)
		}
		return
	}
	n.value = value
}

func (e *expander) expand(raw string) (string, error) {
	var b strings.Builder
	for raw != "" {
		before, after, found := strings.Cut(raw, "$")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), nil
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			raw = after[1:]
		case strings.HasPrefix(after, "{"):
			reference, rest, closed := strings.Cut(after[1:], "}")
			if !closed {
				return "", errors.New("a reference is not closed with }; $$ is a plain dollar")
			}
			value, err := e.reference(reference)
			if err != nil {
				return "", err
			}
			b.WriteString(value)
			raw = rest
		default:
			b.WriteByte('$')
			raw = after
		}
	}
	return b.String(), nil
}

// reference returns what stands for the inside of ${…}.
func (e *expander) reference(inside string) (value string, err error) {
	if strings.Contains(inside, "${") {
		return "", errors.New("a reference is inside another")
	}
	name, isFile := strings.CutPrefix(inside, "file:")
	if isFile {
		value, err = e.content(name)
	} else {
		value, err = e.variable(inside)
	}
	if err != nil {
		return "", err
	}
	if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
		return "", fmt.Errorf("${%s} is not text in UTF-8", inside)
	}
	if e.bytes += len(value); e.bytes > maxReferenced {
		return "", fmt.Errorf("references bring in more than %d bytes in all", maxReferenced)
	}
	return value, nil
}

func (e *expander) variable(inside string) (string, error) {
	name, fallback, hasFallback := strings.Cut(inside, ":-")
	if !variableName.MatchString(name) {
		return "", errors.New("a reference is none of ${NAME}, ${NAME:-text} and ${file:path}; $$ is a plain dollar")
	}
	value, set := e.lookup(name)
	switch {
	case hasFallback && value == "":
		return fallback, nil
	case !set:
		return "", fmt.Errorf("environment variable %s is not set; ${%s:-text} says what to use then", name, name)
	}
	return value, nil
}

func (e *expander) content(name string) (string, error) {
	content, err := e.file(name)
	if err != nil {
		return "", fmt.Errorf("${file:%s}: %v", name, err)
	}
	if len(content) > maxReferencedFile {
		return "", fmt.Errorf("${file:%s} is larger than %d bytes", name, maxReferencedFile)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r"), nil
}

// resolved returns a path relative to a folder.
func resolved(folder, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(folder, name)
}
