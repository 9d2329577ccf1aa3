package authz

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The writer of claims. Names are checked when rules are loaded and escaped all
// the same; values are decoded JSON. What it writes is canonical in the sense
// that parsers cannot disagree about it: no duplicate member, no float of our
// making, control characters escaped, UTF-8 only.

const (
	maxClaimDepth    = 8
	maxClaimElements = 4096
)

var (
	errNotUTF8   = errors.New("text is not UTF-8")
	errDeepClaim = fmt.Errorf("claim is nested deeper than %d or has more than %d elements", maxClaimDepth, maxClaimElements)
)

func appendString(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return b, errNotUTF8
	}
	b = append(b, '"')
	written := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c != 0x7f {
			continue
		}
		b = append(b, s[written:i]...)
		written = i + 1
		if c == '"' || c == '\\' {
			b = append(b, '\\', c)
		} else {
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[written:]...), '"'), nil
}

const hexDigits = "0123456789abcdef"

func appendStrings(b []byte, list []string) (_ []byte, err error) {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendString(b, s); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// appendValue writes decoded JSON. Members of objects are sorted.
func appendValue(b []byte, v any, depth int) (_ []byte, err error) {
	if depth > maxClaimDepth {
		return b, errDeepClaim
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendString(b, v)
	case []string:
		return appendStrings(b, v)
	case json.Number:
		if !isNumber(string(v)) {
			return b, errors.New("claim holds a malformed number")
		}
		return append(b, v...), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case []any:
		return appendArray(b, v, depth)
	case map[string]any:
		return appendObject(b, v, depth)
	}
	return b, fmt.Errorf("claim holds a %T", v)
}

// isNumber reports whether s is a number of RFC 8259 section 6.
func isNumber(s string) bool {
	return s != "" && (s[0] == '-' || isDigit(s[0])) && json.Valid([]byte(s)) && s[len(s)-1] > ' '
}

func appendArray(b []byte, list []any, depth int) (_ []byte, err error) {
	if len(list) > maxClaimElements {
		return b, errDeepClaim
	}
	b = append(b, '[')
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendValue(b, e, depth+1); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendObject(b []byte, object map[string]any, depth int) (_ []byte, err error) {
	if len(object) > maxClaimElements {
		return b, errDeepClaim
	}
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendString(b, name); err != nil {
			return b, err
		}
		if b, err = appendValue(append(b, ':'), object[name], depth+1); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}
