package policy

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/interpreter"
)

// mistaken says what is wrong with an expression that does not compile: the
// first mistake, because the others often follow from it.
func mistaken(text string, issues []*common.Error) error {
	first := issues[0]
	for _, issue := range issues[1:] {
		if issue.Location.Line() < first.Location.Line() ||
			issue.Location.Line() == first.Location.Line() && issue.Location.Column() < first.Location.Column() {
			first = issue
		}
	}
	line, column := first.Location.Line(), first.Location.Column()+1
	says := explained(first.Message, before(text, line, column))
	if undefinedField.MatchString(first.Message) {
		column++ // the place is that of the dot
	}
	return errors.New(position(line, column) + says + pointed(text, line, column))
}

// before returns what stands before a place on its line.
func before(text string, line, column int) string {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) || column < 1 {
		return ""
	}
	runes := []rune(lines[line-1])
	return string(runes[:min(column-1, len(runes))])
}

// pointed draws a caret below the place in an expression of one line.
func pointed(text string, line, column int) string {
	const width = 100
	if runes := []rune(text); line != 1 || column < 1 || len(runes) > width || column > len(runes)+1 || strings.ContainsAny(text, "\n\r\t") {
		return ""
	}
	return "\n    " + text + "\n    " + strings.Repeat(" ", column-1) + "^"
}

var (
	undefinedField = regexp.MustCompile(`^undefined field '(.*)'$`)
	undeclared     = regexp.MustCompile(`^undeclared reference to '([^']*)'(?: \(in container '[^']*'\))?(.*)$`)
	noOverload     = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
)

// explained writes a message of the compiler in the words of this package. It
// quotes names and types only: a literal may have come from a secret.
func explained(message, before string) string {
	if strings.HasPrefix(message, "Syntax error") {
		return "is not an expression from here on; texts stand in quotes, comparisons are == and !=, and is &&, or is ||"
	}
	if strings.Contains(message, "recursion limit exceeded") {
		return fmt.Sprintf("is nested deeper than %d", maxRecursion)
	}
	if message == "invalid matches argument" {
		return "the pattern of matches is not a regular expression (RE2 syntax)"
	}
	if m := undefinedField.FindStringSubmatch(message); m != nil {
		return message + suggestion(m[1], before)
	}
	if m := undeclared.FindStringSubmatch(message); m != nil {
		if hint := m[2]; hint != "" {
			return fmt.Sprintf("undeclared reference to '%s'%s", m[1], hint)
		}
		return fmt.Sprintf("undeclared reference to '%s'; there are request and identity; a text stands in quotes", m[1])
	}
	if m := noOverload.FindStringSubmatch(message); m != nil {
		operator := strings.Trim(strings.ReplaceAll(m[1], "_", ""), "@")
		return fmt.Sprintf("%s cannot be applied to %s", operator, m[2])
	}
	if said, _, quotes := strings.Cut(message, `"`); quotes { // what it quotes may be a literal
		message, _, _ = strings.Cut(said, ":")
	}
	return message
}

// suggestion names the field that a misspelt one may stand for.
func suggestion(name, before string) string {
	for object, known := range fieldsOf {
		if !strings.HasSuffix(before, object) {
			continue
		}
		names := slices.Sorted(maps.Keys(known))
		if i := slices.IndexFunc(names, func(n string) bool { return near(name, n) }); i >= 0 {
			return fmt.Sprintf("; did you mean '%s'?", names[i])
		}
		return "; there are " + strings.Join(names, ", ")
	}
	return ""
}

// failure says why an evaluation failed without quoting a value.
func failure(err error) string {
	if why := (*unread)(nil); errors.As(err, &why) {
		return why.text
	}
	var cancelled interpreter.EvalCancelledError
	if errors.As(err, &cancelled) && cancelled.Cause == interpreter.CostLimitExceeded {
		return fmt.Sprintf("it costs more than %d units for this request", maxCost)
	}
	for _, known := range []struct{ prefix, says string }{
		{"no such key", "what it reads is absent; ask has() or 'in' first"},
		{"no such overload", "a value is of another type than it needs"},
		{"index out of bounds", "a list is shorter than it needs"},
		{"division by zero", "a division by zero"},
		{"modulus by zero", "a division by zero"},
		{"integer overflow", "a number is out of range"},
		{"unsigned integer overflow", "a number is out of range"},
		{"type conversion error", "a value cannot be converted"},
	} {
		if strings.HasPrefix(err.Error(), known.prefix) {
			return known.says
		}
	}
	return "a function failed"
}
