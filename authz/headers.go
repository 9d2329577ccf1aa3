package authz

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// DefaultHeader is the header of the assertion unless configured otherwise.
const DefaultHeader = "x-pomerium-jwt-assertion"

// carriedOver is a header that Pomerium copies unverified from the client; we
// remove it always, like any other header of the same family.
const (
	carriedOver  = "x-pomerium-jwt-assertion-for"
	familyPrefix = "x-pomerium-"
)

// maxSeparators bounds the spellings of one name to 2^6.
const maxSeparators = 6

// ValidHeaderName reports why a name may not be a header that we set: it must be
// lower-case letters and digits with at most 6 '-' or '_' between, and none
// of the names that frame or route a request or that carry credentials. Envoy
// applies whatever it is told, a content-length among it, and so splits one
// request into two.
func ValidHeaderName(name string) error {
	switch {
	case !isToken(name) || len(name) > 64:
		return errors.New("is not a header name")
	case name != strings.ToLower(name):
		return errors.New("is not lower case")
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return errors.New("holds a character other than letters, digits, '-' and '_': not every spelling of it could be removed")
	case strings.Count(name, "-")+strings.Count(name, "_") > maxSeparators:
		return fmt.Errorf("has more than %d separators: every spelling of it is removed from each request", maxSeparators)
	case reservedHeader(name):
		return errors.New("is a header that we never set: it frames, routes or authenticates the request")
	}
	return nil
}

func reservedHeader(name string) bool {
	name = folded(name)
	for _, prefix := range []string{"x-envoy-", "x-forwarded-", "proxy-", "sec-", "access-control-", "grpc-", "if-", "content-", "accept"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{
		"host", "connection", "te", "trailer", "transfer-encoding", "upgrade", "keep-alive", "expect",
		"http2-settings", "cookie", "set-cookie", "authorization", "forwarded", "range", "origin", "date", "via",
		"x-request-id", "traceparent", "tracestate", carriedOver,
	}, name)
}

// owned are the header names that belong to the assertion, over all rules.
type owned struct {
	assertion string   // the header that carries it
	names     []string // spelled with '-' only
	spellings []string // every '-'/'_' spelling of every name, sorted
	others    []string // the spellings but the assertion's own
}

func newOwned(assertion string, claims []string) owned {
	o := owned{assertion: assertion}
	for _, name := range append([]string{assertion, carriedOver}, claims...) {
		dashed := folded(name)
		if !slices.Contains(o.names, dashed) {
			o.names = append(o.names, dashed)
			o.spellings = append(o.spellings, spellings(dashed)...)
		}
	}
	slices.Sort(o.spellings)
	for _, name := range o.spellings {
		if name != assertion {
			o.others = append(o.others, name)
		}
	}
	return o
}

// oneSpelling holds that no claim header of a rule is the assertion's, or another
// spelling of one that assertion.claim_headers names.
func oneSpelling(assertion string, headers, ofRules []string) error {
	var errs []error
	for _, header := range ofRules {
		if folded(header) == folded(assertion) {
			errs = append(errs, &OptionError{"header", fmt.Errorf("is %s, which a rule sets as a claim header: rename one of them", assertion)})
		}
		for _, other := range headers {
			if other != header && folded(other) == folded(header) {
				errs = append(errs, &OptionError{"claim_headers." + other, fmt.Errorf("is another spelling of %s, which a rule sets: applications may read one for the other", header)})
			}
		}
	}
	return errors.Join(errs...)
}

// spellings returns the name with each of its '-' as '-' or '_'.
func spellings(dashed string) []string {
	head, tail, more := strings.Cut(dashed, "-")
	if !more {
		return []string{dashed}
	}
	var all []string
	for _, rest := range spellings(tail) {
		all = append(all, head+"-"+rest, head+"_"+rest)
	}
	return all
}

// grant makes the grant that sets exactly the given headers. Everything of ours
// that it does not set it removes, seen or not: Envoy may be configured not to
// show us a header, and an application may read '_' as '-'.
func (o *owned) grant(r *Request, fx *Effects, set []Field) *Grant {
	g := &Grant{set: set, remove: o.removals(set, len(fx.hiddenHeaders))}
	for name := range r.Headers.All() {
		if o.resembles(name) && !sets(set, name) {
			g.addRemoval(name)
		}
	}
	for _, name := range fx.hiddenHeaders {
		if !sets(set, name) {
			g.addRemoval(name)
		}
	}
	if rest, changed := fx.visibleCookies(r.Headers.Values("cookie")); changed && rest != "" && !slices.Contains(g.remove, "cookie") {
		g.set = append(g.set, Field{"cookie", rest})
	} else if changed {
		g.addRemoval("cookie")
	}
	return g
}

// removals returns the spellings that are not set, with room for more. Where no
// more is to come, what is removed from most requests is shared between them.
func (o *owned) removals(set []Field, room int) []string {
	shared := o.spellings
	switch {
	case len(set) == 1 && set[0].Name == o.assertion:
		shared = o.others
	case len(set) > 0:
		shared = slices.DeleteFunc(slices.Clone(o.spellings), func(name string) bool { return sets(set, name) })
	}
	if room == 0 {
		return slices.Clip(shared)
	}
	return append(make([]string, 0, len(shared)+room), shared...)
}

// resembles reports whether an application might take a header for one of ours
// or of Pomerium's family: CGI and its heirs read every separator as '_'.
func (o *owned) resembles(name string) bool {
	if foldsTo(name, familyPrefix, true) {
		return true
	}
	for _, dashed := range o.names {
		if foldsTo(name, dashed, false) {
			return true
		}
	}
	return false
}

// foldsTo reports whether a name, [folded], is dashed, or begins with it if more
// may follow. Names of requests are not written again to be compared.
func foldsTo(name, dashed string, more bool) bool {
	for i := range len(dashed) {
		switch {
		case i == len(name):
			return false
		case name[i] >= utf8.RuneSelf:
			name = folded(name)
			return name == dashed || more && strings.HasPrefix(name, dashed)
		case rune(dashed[i]) != fold(rune(name[i])):
			return false
		}
	}
	return more || len(name) == len(dashed)
}

// folded writes every byte of a name that is no letter or digit as '-', and
// letters in lower case.
func folded(name string) string {
	return strings.Map(fold, name)
}

func fold(r rune) rune {
	switch {
	case 'A' <= r && r <= 'Z':
		return r | 0x20
	case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
		return r
	}
	return '-'
}

// nominates reports whether a request's connection options (RFC 9110 section
// 7.6.1) name a header of ours: on an upgrade Envoy passes them on, and the next
// proxy would remove what we set.
func (o *owned) nominates(h Headers) bool {
	for _, value := range h.Values("connection") {
		for option := range strings.SplitSeq(value, ",") {
			if o.resembles(strings.TrimSpace(option)) {
				return true
			}
		}
	}
	return false
}

func (g *Grant) addRemoval(name string) {
	if !slices.Contains(g.remove, name) {
		g.remove = append(g.remove, name)
	}
}

func sets(set []Field, name string) bool {
	for i := range set {
		if set[i].Name == name {
			return true
		}
	}
	return false
}
