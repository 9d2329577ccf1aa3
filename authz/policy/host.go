package policy

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"privyseal/authz"
)

// hostSet is a compiled list of hosts. The zero value holds none.
type hostSet struct {
	literals map[string]bool
	suffixes map[string]bool // ".example.com"
	any      bool
}

// anyHost is a hostSet's entry for every host; the other entries are a literal
// host, and a suffix, which begins with a dot.
const anyHost = "*"

// add adds one entry as it is written in a list, and returns the host if it is a
// literal one.
func (h *hostSet) add(text string) (literal string, err error) {
	if text == anyHost {
		h.insert(anyHost)
		return "", nil
	}
	domain, wild := strings.CutPrefix(text, "*.")
	if strings.Contains(domain, "*") {
		return "", errors.New(`holds a misplaced '*': a host is a name, "*." and a name, or "*"`)
	}
	name, err := literalHost(domain)
	switch {
	case err != nil:
		return "", err
	case !wild:
		h.insert(name)
		return name, nil
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "", errors.New("is below an IP address, which has no names below it: no request could fit")
	}
	h.insert("." + name)
	return "", nil
}

func (h *hostSet) insert(entry string) {
	switch {
	case entry == anyHost:
		h.any = true
	case entry[0] == '.':
		if h.suffixes == nil {
			h.suffixes = map[string]bool{}
		}
		h.suffixes[entry] = true
	default:
		if h.literals == nil {
			h.literals = map[string]bool{}
		}
		h.literals[entry] = true
	}
}

// literalHost accepts a host in canonical form but for case and a trailing dot.
func literalHost(text string) (string, error) {
	if len(text) > 254 {
		return "", errors.New("is longer than a host name may be")
	}
	name, err := authz.CanonicalHost(text)
	if err != nil {
		return "", fmt.Errorf("%v; write it without scheme and path, IPv6 in brackets", err)
	}
	written := lowerASCII(strings.TrimSuffix(text, "."))
	if written != name && written != "["+name+"]" {
		return "", errors.New("is not in canonical form: write it without port")
	}
	return name, nil
}

// fits reports whether a canonical host is in the set. It costs a look-up for
// each label of the host, however large the set is.
func (h *hostSet) fits(host string) bool {
	if h.any || h.literals[host] {
		return true
	}
	return len(h.suffixes) > 0 && h.below(host)
}

// below reports whether a suffix of the set ends a host or another suffix.
func (h *hostSet) below(host string) bool {
	for dot := nextDot(host, -1); dot >= 0; dot = nextDot(host, dot) {
		if h.suffixes[host[dot:]] {
			return true
		}
	}
	return false
}

// nextDot returns where the next dot after a position is, or -1.
func nextDot(host string, after int) int {
	if i := strings.IndexByte(host[after+1:], '.'); i >= 0 {
		return after + 1 + i
	}
	return -1
}

// open reports whether the set holds hosts that it does not name.
func (h *hostSet) open() bool { return h.any || len(h.suffixes) > 0 }

func (h *hostSet) empty() bool { return !h.open() && len(h.literals) == 0 }

// covers reports whether the set holds every host of an entry.
func (h *hostSet) covers(entry string) bool {
	switch {
	case h.any:
		return true
	case entry == anyHost:
		return false
	case entry[0] == '.':
		return h.below(entry)
	}
	return h.fits(entry)
}

// entries returns what the set is made of, sorted; an entry that another one
// covers may be among them, but none beside "*".
func (h *hostSet) entries() []string {
	if h.any {
		return []string{anyHost}
	}
	list := slices.AppendSeq(make([]string, 0, len(h.literals)+len(h.suffixes)), maps.Keys(h.literals))
	list = slices.AppendSeq(list, maps.Keys(h.suffixes))
	slices.Sort(list)
	return list
}

// within returns the hosts that are in both sets. Two entries have hosts in
// common only if one of them covers the other.
func (h *hostSet) within(around *hostSet) *hostSet {
	switch {
	case h.any:
		return around
	case around.any:
		return h
	}
	common := &hostSet{}
	for _, entry := range h.entries() {
		if around.covers(entry) {
			common.insert(entry)
		}
	}
	if h.open() { // else it covers nothing but its own entries
		for _, entry := range around.entries() {
			if h.covers(entry) {
				common.insert(entry)
			}
		}
	}
	return common
}

// join adds the hosts of another set.
func (h *hostSet) join(other *hostSet) {
	for _, entry := range other.entries() {
		h.insert(entry)
	}
}
