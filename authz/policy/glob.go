package policy

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"privyseal/authz"
)

// pathGlob is a compiled glob on canonical paths.
type pathGlob struct {
	text     string
	segments []string // after the leading slash; nil if there is no '*' at all
}

// compilePath accepts globs that some unambiguous path can fit.
func compilePath(text string) (pathGlob, error) {
	switch {
	case !strings.HasPrefix(text, "/"):
		return pathGlob{}, errors.New("does not begin with '/': a glob is compared with the whole path, and is no regular expression")
	case len(text) > maxValue:
		return pathGlob{}, fmt.Errorf("is longer than %d bytes", maxValue)
	case strings.Contains(text, "%"):
		return pathGlob{}, errors.New("holds '%': paths are compared percent-decoded; write the character itself")
	case strings.Contains(text, "?"):
		return pathGlob{}, errors.New("holds '?': the query is never compared, and '?' is no wildcard")
	}
	// Requests are judged by CanonicalPath; so are globs, hence no glob waits
	// for a path that never comes.
	if _, ambiguous := authz.CanonicalPath((&url.URL{Path: text}).EscapedPath()); ambiguous {
		return pathGlob{}, errors.New(`is ambiguous: it holds an empty, "." or ".." segment, ';', '\', '#', a control character or bytes that are not UTF-8`)
	}
	if !strings.Contains(text, "*") {
		return pathGlob{text: text}, nil
	}
	glob := pathGlob{text, strings.Split(text[1:], "/")}
	for _, segment := range glob.segments {
		if strings.Contains(segment, "**") && segment != "**" {
			return pathGlob{}, errors.New(`holds "**" beside other characters: it must be a whole segment`)
		}
	}
	return glob, nil
}

// split returns the segments of any glob; a run of "**" is one.
func (g *pathGlob) split() []string {
	if g.segments == nil {
		return strings.Split(g.text[1:], "/")
	}
	return slices.CompactFunc(slices.Clone(g.segments), func(a, b string) bool { return a == "**" && b == "**" })
}

// fits walks both in step. On a mismatch only the last "**" takes one segment
// more: an earlier one could never do better, so no pair of segments is
// compared twice.
func (g *pathGlob) fits(path string) bool {
	if g.segments == nil {
		return path == g.text
	}
	next := 0            // in g.segments
	at := 1              // in path: where a segment begins; beyond its end when none is left
	back, mark := -1, -1 // the last "**", and the first segment it does not take
	for at <= len(path) {
		end := segmentEnd(path, at)
		switch {
		case next < len(g.segments) && g.segments[next] == "**":
			if next == len(g.segments)-1 {
				return true
			}
			back, mark = next, at
			next++
		case next < len(g.segments) && wildcard(g.segments[next], path[at:end]):
			next++
			at = end + 1
		case back >= 0:
			mark = segmentEnd(path, mark) + 1
			next, at = back+1, mark
		default:
			return false
		}
	}
	return next == len(g.segments)
}

func segmentEnd(path string, from int) int {
	if i := strings.IndexByte(path[from:], '/'); i >= 0 {
		return from + i
	}
	return len(path)
}

// wildcard reports whether s fits the pattern, in which '*' stands for any
// bytes but '/'. On a mismatch only the last '*' takes one byte more, which
// bounds the work by the product of the lengths.
func wildcard(pattern, s string) bool {
	p, i := 0, 0
	back, mark := -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			back, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == s[i]:
			p++
			i++
		case back >= 0 && s[mark] != '/':
			mark++
			p, i = back+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
