package policy

import (
	"errors"
	"fmt"
	"strings"

	"privyseal/authz"
)

// hostSet is a compiled list of hosts. The zero value holds none.
type hostSet struct {
	literals map[string]bool
	suffixes []string // ".example.com"
	any      bool
}

// add adds one entry of a list, and returns the host if it is a literal one.
func (h *hostSet) add(text string) (literal string, err error) {
	if text == "*" {
		h.any = true
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
	case wild:
		h.suffixes = append(h.suffixes, "."+name)
		return "", nil
	}
	h.literals[name] = true
	return name, nil
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

// fits reports whether a canonical host is in the set.
func (h *hostSet) fits(host string) bool {
	if h.any || h.literals[host] {
		return true
	}
	for _, suffix := range h.suffixes {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// open reports whether the set holds hosts that it does not name.
func (h *hostSet) open() bool { return h.any || len(h.suffixes) > 0 }
