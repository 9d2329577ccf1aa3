package authz

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AssertionOptions say what the application is told and how. The zero value is
// usable: every field has a default.
type AssertionOptions struct {
	// Header carries the assertion to the application.
	// Default x-pomerium-jwt-assertion.
	Header string `yaml:"header"`
	// TTL is how long an assertion is valid, 15s to 10m; a rule may say
	// otherwise. Never longer than the credential. Default 5m.
	TTL time.Duration `yaml:"ttl"`
	// Reuse lets requests with the same identity, rule, audience and key share
	// one assertion, and its jti, for at most this long and half its ttl.
	// Default 0s: one request, one jti.
	Reuse time.Duration `yaml:"reuse"`
	// Claims are further claims of the identity to pass on, by name.
	Claims []string `yaml:"claims"`
	// ClaimHeaders pass single claims in headers of their own, header to claim:
	// {x-user-email: email}. They are not signed. Lists are joined with commas;
	// bytes outside visible ASCII, and '%', are percent-encoded.
	ClaimHeaders map[string]string `yaml:"claim_headers"`
	// GroupsFilter lists the groups to pass on; a trailing '*' matches any
	// ending. Default: all.
	GroupsFilter []string `yaml:"groups_filter"`
	// MaxBytes bounds the assertion and each claim header, 1024 to 49152.
	// Default 6144; many servers take 8 KiB of headers in all.
	MaxBytes int `yaml:"max_bytes"`
	// OnOverflow is what happens above MaxBytes: "deny", or "drop_groups",
	// which sends no group and the claim groups_overage: true. Default deny.
	OnOverflow string `yaml:"on_overflow"`
}

// Bounds and default of [AssertionOptions.MaxBytes].
const (
	DefaultMaxBytes = 6144
	minMaxBytes     = 1024
	maxMaxBytes     = 49152
)

// backdate is how far in the past iat lies: several verifiers accept no iat of
// the future, not even by one second of clock difference.
const backdate = 10 * time.Second

// withDefaults returns the options with every default written out, or all that
// is wrong with them.
func (o AssertionOptions) withDefaults() (AssertionOptions, error) {
	if o.Header == "" {
		o.Header = DefaultHeader
	}
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.OnOverflow == "" {
		o.OnOverflow = "deny"
	}
	return o, o.validate()
}

func (o *AssertionOptions) validate() error {
	var errs []error
	wrong := func(path string, err error) {
		if err != nil {
			errs = append(errs, &OptionError{path, err})
		}
	}
	wrong("header", ValidHeaderName(o.Header))
	wrong("ttl", ValidTTL(o.TTL))
	if o.Reuse < 0 || o.Reuse > o.TTL/2 {
		wrong("reuse", fmt.Errorf("is not between 0s and half the ttl, %v", o.TTL/2))
	}
	for i, name := range o.Claims {
		wrong(fmt.Sprintf("claims[%d]", i), ValidClaimName(name))
		if slices.Contains(o.Claims[:i], name) {
			wrong(fmt.Sprintf("claims[%d]", i), errors.New("is listed twice: the assertion would have two members of one name"))
		}
	}
	for header, claim := range o.ClaimHeaders {
		path := "claim_headers." + header
		wrong(path, ValidHeaderName(header))
		if folded(header) == folded(o.Header) {
			wrong(path, errors.New("is the header of the assertion"))
		}
		for other := range o.ClaimHeaders {
			if other < header && folded(other) == folded(header) {
				wrong(path, errors.New("is another spelling of "+other+": applications may read one for the other"))
			}
		}
		wrong(path, ValidHeaderClaim(claim))
	}
	for i, group := range o.GroupsFilter {
		if strings.Contains(strings.TrimSuffix(group, "*"), "*") || group == "" {
			wrong(fmt.Sprintf("groups_filter[%d]", i), errors.New("is not a group name, with at most one '*', at its end"))
		}
	}
	if o.MaxBytes < minMaxBytes || o.MaxBytes > maxMaxBytes {
		wrong("max_bytes", fmt.Errorf("is not between %d and %d", minMaxBytes, maxMaxBytes))
	}
	if o.OnOverflow != "deny" && o.OnOverflow != "drop_groups" {
		wrong("on_overflow", errors.New(`is neither "deny" nor "drop_groups"`))
	}
	return errors.Join(errs...)
}

// ValidTTL reports why a duration may not be an assertion's life.
func ValidTTL(ttl time.Duration) error {
	if ttl < MinTTL || ttl > MaxTTL || ttl%time.Second != 0 {
		return fmt.Errorf("is not whole seconds between %v and %v", MinTTL, MaxTTL)
	}
	return nil
}

// headerClaims are the claims we make ourselves that may also be sent in a
// header of their own.
var headerClaims = []string{"sub", "user", "email", "groups", "name", "sid", "idp"}

// ValidHeaderClaim reports why a claim may not be sent in a header of its own: it
// must be sub, user, email, groups, name, sid, idp or a name that
// [ValidClaimName] accepts.
func ValidHeaderClaim(name string) error {
	if slices.Contains(headerClaims, name) {
		return nil
	}
	return ValidClaimName(name)
}

// reservedClaims are the names an operator's or an issuer's claim never takes.
var reservedClaims = append([]string{
	"iss", "aud", "iat", "exp", "nbf", "jti", "cnf", "act", "typ", "req", "htm", "htu", "ath", "groups_overage", "_claim_names", "_claim_sources",
}, headerClaims...)

// ValidClaimName reports why a name may not be passed on as a claim: it must
// match [A-Za-z_][A-Za-z0-9_.:/-]{0,63} and not be one of those that we make
// ourselves.
func ValidClaimName(name string) error {
	if slices.Contains(reservedClaims, name) {
		return errors.New("is a claim that only privyseal makes")
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if !isLower(c|0x20) && c != '_' && (i == 0 || !isDigit(c) && strings.IndexByte(".:/-", c) < 0) {
			return errors.New("is not a claim name: a letter or '_', then letters, digits and any of _.:/-")
		}
	}
	if name == "" || len(name) > 64 {
		return errors.New("is not between 1 and 64 bytes long")
	}
	return nil
}

// claims are the content of one assertion before the clock and the jti.
type claims struct {
	issuer, audience, subject string
	groups                    []string
	overage                   bool // groups were left out
	identity                  *Identity
	extra                     []Claim
	bound                     bound
}

// subjectOf returns the assertion's sub: the source's subject, qualified by the
// source's name where the rule admits several. A subject of the primary source
// that reads like the qualified subject of another is refused.
func subjectOf(rule *Rule, id *Identity) (string, error) {
	if len(rule.Sources) < 2 {
		return id.Subject, nil
	}
	if id.Source != rule.Primary {
		return id.Source + "/" + id.Subject, nil
	}
	for _, other := range rule.Sources {
		if strings.HasPrefix(id.Subject, other+"/") {
			return "", &Denial{Reason: UnsafeClaim, Detail: "the subject reads like one of source " + other}
		}
	}
	return id.Subject, nil
}

// filterGroups returns the groups that may be passed on.
func (o *AssertionOptions) filterGroups(groups []string) []string {
	if len(o.GroupsFilter) == 0 {
		return groups
	}
	var kept []string
	for _, group := range groups {
		if slices.ContainsFunc(o.GroupsFilter, func(pattern string) bool {
			prefix, wild := strings.CutSuffix(pattern, "*")
			return group == pattern || wild && strings.HasPrefix(group, prefix)
		}) {
			kept = append(kept, group)
		}
	}
	return kept
}

// appendTo writes the claims that do not depend on the moment, without the
// closing brace.
func (c *claims) appendTo(b []byte, o *AssertionOptions) (_ []byte, err error) {
	id := c.identity
	b = append(b, '{')
	for _, member := range [...]Field{
		{"iss", c.issuer}, {"aud", c.audience}, {"sub", c.subject}, {"user", c.subject},
		{"email", id.Email}, {"name", id.Name}, {"sid", id.Session}, {"idp", id.Source},
	} {
		b = append(append(append(b, '"'), member.Name...), '"', ':')
		if b, err = appendString(b, member.Value); err != nil {
			return b, fmt.Errorf("claim %s: %w", member.Name, err)
		}
		b = append(b, ',')
	}
	if b, err = appendStrings(append(b, `"groups":`...), c.groups); err != nil {
		return b, fmt.Errorf("claim groups: %w", err)
	}
	if c.overage {
		b = append(b, `,"groups_overage":true`...)
	}
	for _, name := range o.Claims {
		value, ok := c.lookup(name)
		if !ok {
			continue
		}
		if b, err = appendMember(b, name, value); err != nil {
			return b, err
		}
	}
	for _, claim := range c.extra {
		if slices.Contains(o.Claims, claim.Name) {
			continue // written above
		}
		if b, err = appendMember(b, claim.Name, claim.Value); err != nil {
			return b, err
		}
	}
	return c.bound.appendTo(b), nil
}

func appendMember(b []byte, name string, value any) (_ []byte, err error) {
	if b, err = appendString(append(b, ','), name); err != nil {
		return b, fmt.Errorf("claim name: %w", err)
	}
	if b, err = appendValue(append(b, ':'), value, 0); err != nil {
		return b, fmt.Errorf("claim %s: %w", name, err)
	}
	return b, nil
}

// appendMoment writes the claims of the moment and closes the object. Integers
// only: several libraries refuse 1.7e9.
func appendMoment(b []byte, issued, expires time.Time, jti string) []byte {
	b = strconv.AppendInt(append(b, `,"iat":`...), issued.Unix(), 10)
	b = strconv.AppendInt(append(b, `,"exp":`...), expires.Unix(), 10)
	return append(append(append(b, `,"jti":"`...), jti...), `"}`...)
}

// lookup returns a claim that is not ours by name: the judge's first, then the
// identity's.
func (c *claims) lookup(name string) (any, bool) {
	for _, claim := range c.extra {
		if claim.Name == name {
			return claim.Value, true
		}
	}
	v, ok := c.identity.Claims[name]
	return v, ok && v != nil
}

// header returns the value of a claim header, or ok false when the identity has
// no such claim: the header is then removed.
func (c *claims) header(claim string) (value string, ok bool, err error) {
	switch claim {
	case "sub", "user":
		value, err = headerText(c.subject)
	case "email":
		value, err = headerText(c.identity.Email)
	case "name":
		value, err = headerText(c.identity.Name)
	case "sid":
		value, err = headerText(c.identity.Session)
	case "idp":
		value, err = headerText(c.identity.Source)
	case "groups":
		value, err = headerList(c.groups)
	default:
		v, found := c.lookup(claim)
		if !found {
			return "", false, nil
		}
		value, err = headerValue(v)
	}
	return value, value != "" && err == nil, err
}

func headerValue(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return headerText(v)
	case []string:
		return headerList(v)
	case []any:
		list := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return "", fmt.Errorf("is a list that holds a %T", e)
			}
			list = append(list, s)
		}
		return headerList(list)
	case map[string]any:
		return "", errors.New("is an object")
	}
	b, err := appendValue(nil, v, 0)
	return string(b), err
}

// headerList joins with commas; an element with a comma would become two.
func headerList(list []string) (string, error) {
	encoded := make([]string, len(list))
	for i, s := range list {
		if s == "" || strings.IndexByte(s, ',') >= 0 {
			return "", errors.New("is a list with an element that is empty or holds a comma")
		}
		var err error
		if encoded[i], err = headerText(s); err != nil {
			return "", err
		}
	}
	return strings.Join(encoded, ","), nil
}

// headerText percent-encodes what is not visible ASCII, '%' itself, and space at
// either end. Control characters are refused: no name or address has one.
func headerText(s string) (string, error) {
	var b []byte
	written := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < 0x20 || c == 0x7f:
			return "", errors.New("holds a control character")
		case c == '%' || c > 0x7e || c == ' ' && (i == 0 || i == len(s)-1):
			b = append(append(b, s[written:i]...), '%', upperHex[c>>4], upperHex[c&15])
			written = i + 1
		}
	}
	if written == 0 {
		return s, nil
	}
	return string(append(b, s[written:]...)), nil
}

const upperHex = "0123456789ABCDEF"
