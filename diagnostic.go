package privyseal

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDiagnostics bounds what is told at once.
const maxDiagnostics = 100

// Diagnostic is one mistake in a configuration. It shows no secret, and no value
// that a reference was replaced by.
type Diagnostic struct {
	File         string // "" if there is none
	Line, Column int    // in characters, from 1; 0 if it has no place
	Path         string // of the option, such as rules[0].match.hosts[0]; "" if there is none
	Message      string
	Hint         string // what to do next, or ""
	Source       string // the line, with secrets masked, or ""

	shown int // characters of the line that may be shown; 0: all
}

// String is the diagnostic as compilers write it, with the line and a caret
// under the place.
func (d Diagnostic) String() string {
	var b strings.Builder
	for _, part := range []string{d.place(), d.Path} {
		if part != "" {
			b.WriteString(shortened(part, 300) + ": ")
		}
	}
	b.WriteString(shortened(d.Message, 1000))
	if d.Source != "" {
		line, column := window(d.Source, d.Column)
		gutter := strconv.Itoa(d.Line)
		fmt.Fprintf(&b, "\n  %s | %s\n  %*s | %s^", gutter, line, len(gutter), "", strings.Repeat(" ", column-1))
	}
	if d.Hint != "" {
		b.WriteString("\nhint: " + d.Hint)
	}
	return strings.Map(printable, b.String())
}

// printable keeps what was written in a file from controlling the terminal.
func printable(r rune) rune {
	if r != '\n' && !unicode.IsPrint(r) {
		return '\ufffd'
	}
	return r
}

func shortened(s string, runes int) string {
	if utf8.RuneCountInString(s) > runes {
		s = string([]rune(s)[:runes]) + "…"
	}
	return s
}

func (d Diagnostic) place() string {
	if d.Line == 0 {
		return d.File
	}
	return fmt.Sprintf("%s:%d:%d", cmp.Or(d.File, "configuration"), d.Line, d.Column)
}

// window returns the part of a line around a column that fits a terminal, and
// the column in it.
func window(line string, column int) (string, int) {
	const width, before = 120, 80
	runes := []rune(strings.ReplaceAll(line, "\t", " "))
	column = max(1, min(column, len(runes)+1))
	if skip := column - before; len(runes) > width && skip > 0 {
		runes, column = append([]rune("…"), runes[skip:]...), column-skip+1
	}
	if len(runes) > width {
		runes = append(runes[:width:width], '…')
	}
	return string(runes), column
}

// Diagnostics are all mistakes in a configuration, in the order of the file;
// those without a place are last. It is an error if it is not empty.
type Diagnostics []Diagnostic

// Error is every diagnostic, one after the other.
func (list Diagnostics) Error() string {
	lines := make([]string, len(list))
	for i, d := range list {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// annotated returns the diagnostics, no more than a person reads, in the order
// of the file and with the lines that they are about.
func (d *document) annotated(list Diagnostics) Diagnostics {
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b Diagnostic) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	if len(list) >= maxDiagnostics {
		list = append(list[:maxDiagnostics:maxDiagnostics], Diagnostic{File: d.file, Message: "there may be more mistakes than these"})
	}
	lines := d.maskedLines()
	for i := range list {
		p := &list[i]
		if p.Line == 0 || p.Line > len(lines) || p.Source != "" {
			continue
		}
		p.Source = lines[p.Line-1]
		if runes := []rune(p.Source); p.shown > 0 && p.shown < len(runes) {
			p.Source = string(runes[:p.shown]) + " …"
		}
	}
	return list
}

// diagnostic is a mistake at a place in the text.
func (d *document) diagnostic(at position, message, hint string) Diagnostic {
	return Diagnostic{File: d.file, Line: at.line, Column: at.column, Message: maskBlocks(message), Hint: hint}
}
