package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"privyseal/authz"
)

func validName(name string) error {
	switch {
	case name == "":
		return errors.New("is missing: records and metrics name the rule")
	case len(name) > 64:
		return errors.New("is longer than 64 bytes")
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && (i == 0 || strings.IndexByte("._-", c) < 0) {
			return fmt.Errorf("%q is not a name: a lower-case letter or digit, then letters, digits and any of . _ -", name)
		}
	}
	return nil
}

// validMethod accepts what a request can have.
func validMethod(method string) error {
	if authz.ValidMethod(method) {
		return nil
	}
	return fmt.Errorf("%q is not an upper-case method name, such as GET", method)
}

func validAudience(audience string) error {
	if len(audience) > 256 {
		return errors.New("is longer than 256 bytes")
	}
	if strings.ContainsFunc(audience, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return errors.New("holds a space, a control character or a character beyond ASCII")
	}
	return nil
}

// text bounds what people are shown.
func (c *compiler) text(path, text string, limit int) {
	switch {
	case len(text) > limit:
		c.wrongf(path, "is longer than %d bytes", limit)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		c.wrongf(path, "holds a control character or bytes that are not UTF-8")
	}
}

// unknown says that a name is none of those known, and which may be meant.
func unknown(what, name string, known []string) error {
	known = slices.Sorted(slices.Values(known))
	for _, candidate := range known {
		if near(name, candidate) {
			return fmt.Errorf("%q is not a %s; did you mean %s?", name, what, candidate)
		}
	}
	if len(known) == 0 || len(known) > 16 {
		return fmt.Errorf("%q is not a %s", name, what)
	}
	return fmt.Errorf("%q is not a %s; known: %s", name, what, strings.Join(known, ", "))
}

// near reports whether two names are at most two edits apart (Levenshtein).
func near(a, b string) bool {
	if len(a) > 64 || len(b) > 64 || min(len(a), len(b)) < 3 {
		return false
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)] <= 2
}
