package envoy

import (
	"iter"
	"strings"
)

// headers implements [authz.Headers] on whichever of its two forms Envoy sent:
// a list with encode_raw_headers, else a map in which repeated fields are joined
// with a comma. Pseudo headers are left out. A list, if there is one, is all.
type headers struct {
	list          bool // as opposed to a map
	names, values []string
	rawPath       string // of the pseudo header :path, in a list
	path          string // the same as Envoy shows it
	hasPath       bool
	canonical     bool // no key of the map occurs twice
}

// put keeps an entry of the map, in place of an older one of the same key. It
// reports false if there are too many to compare.
func (h *headers) put(key, value string) (plain bool) {
	if h.list || strings.HasPrefix(key, ":") {
		return true
	}
	if !h.canonical {
		if len(h.names) == maxPlainHeaders {
			return false
		}
		for i, name := range h.names {
			if name == key {
				h.values[i] = value
				return true
			}
		}
	}
	h.names, h.values = append(h.names, key), append(h.values, value)
	return true
}

// add keeps a line of the list: raw is its value as it came.
func (h *headers) add(key, value, raw string) {
	if !h.list {
		h.list, h.names, h.values = true, h.names[:0], h.values[:0]
	}
	if key == ":path" && !h.hasPath {
		h.hasPath, h.path, h.rawPath = true, value, raw
	}
	if !strings.HasPrefix(key, ":") {
		h.names, h.values = append(h.names, key), append(h.values, raw)
	}
}

// lower writes all names in lower case. Envoy sends them so; other callers may
// not, and a name that is not found is a credential that is not checked.
func (h *headers) lower() {
	for i, name := range h.names {
		if !isLower(name) {
			h.names[i] = strings.ToLower(name)
		}
	}
}

func isLower(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; 'A' <= c && c <= 'Z' || c >= 0x80 {
			return false
		}
	}
	return true
}

// Values implements [authz.Headers].
func (h *headers) Values(name string) (values []string) {
	for i := range h.names {
		switch {
		case h.names[i] != name:
		case values == nil:
			values = h.values[i : i+1 : i+1]
		default:
			values = append(values, h.values[i])
		}
	}
	return values
}

// All implements [authz.Headers].
func (h *headers) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i, name := range h.names {
			if !yield(name, h.values[i]) {
				return
			}
		}
	}
}

// reset forgets everything but the memory.
func (h *headers) reset() {
	clear(h.names[:cap(h.names)])
	clear(h.values[:cap(h.values)])
	*h = headers{names: h.names[:0], values: h.values[:0]}
}
