package credential

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"privyseal/authz"
)

// leeway is how far in the future iat and nbf may lie: issuers' clocks differ
// from ours. exp has none: a credential that has ended never helps.
const leeway = 60 * time.Second

// Bounds of what an identity holds.
const (
	maxSubjectBytes = 255 // OpenID Connect Core section 2
	maxGroups       = 5000
	maxGroupBytes   = 256
)

// reader reads the claims of one source, chosen by their iss: it checks for whom
// they are and when, and maps them to an identity.
type reader struct {
	source    string
	issuer    string
	audiences []string
	paths     map[string]string
	mustEnd   bool // claims without exp are refused
}

func newReader(source, issuer string, audiences []string, paths map[string]string, mustEnd bool) reader {
	all := map[string]string{"groups": "groups", "email": "email", "name": "name", "subject": "sub", "session": "sid"}
	maps.Copy(all, paths)
	return reader{source: source, issuer: issuer, audiences: audiences, paths: all, mustEnd: mustEnd}
}

// check returns when claims of the source's issuer end, or the denial: they are
// for another audience, not yet valid, over, or malformed.
func (r *reader) check(claims map[string]any, now time.Time) (expires time.Time, err error) {
	if !r.addressed(claims["aud"]) {
		return expires, invalid("wrong audience", fmt.Errorf("source %s: aud holds none of the configured audiences", r.source))
	}
	for _, name := range [...]string{"iat", "nbf"} {
		if v, present := claims[name]; present {
			begins, ok := numericDate(v)
			if !ok || begins.After(now.Add(leeway)) {
				return expires, invalid("not valid yet", fmt.Errorf("source %s: %s is not a time up to now: %v", r.source, name, begins))
			}
		}
	}
	if _, bound := claims["cnf"]; bound {
		// RFC 7800: of use only to who holds a key, which nobody checked.
		return expires, invalid("bound to a key", fmt.Errorf("source %s: the token is bound to a key (cnf), and is no bearer token", r.source))
	}
	v, present := claims["exp"]
	if !present && !r.mustEnd {
		return expires, nil
	}
	expires, ok := numericDate(v)
	if !ok {
		return expires, invalid("no expiry", fmt.Errorf("source %s: exp is missing or not a time", r.source))
	}
	if !now.Before(expires) {
		return expires, expired(fmt.Errorf("source %s: exp was %v", r.source, expires))
	}
	return expires, nil
}

// addressed reports whether aud, one string or a list (RFC 7519 section 4.1.3),
// holds one of our audiences.
func (r *reader) addressed(aud any) bool {
	switch aud := aud.(type) {
	case string:
		return slices.Contains(r.audiences, aud)
	case []any:
		return slices.ContainsFunc(aud, func(e any) bool {
			s, ok := e.(string)
			return ok && slices.Contains(r.audiences, s)
		})
	}
	return false
}

// numericDate reads a NumericDate (RFC 7519 section 2), which may have a
// fraction; it is cut off. Years beyond 9999 are refused: they are mistakes,
// and arithmetic on them overflows.
func numericDate(v any) (t time.Time, ok bool) {
	const year10000 = 253402300800
	n, ok := v.(json.Number)
	if !ok {
		return t, false
	}
	seconds, err := n.Float64()
	if err != nil || seconds < 0 || seconds >= year10000 {
		return t, false
	}
	return time.Unix(int64(math.Floor(seconds)), 0).UTC(), true
}

// identity maps checked claims; it takes claims over, and what it does not map
// becomes the identity's own claims.
func (r *reader) identity(claims map[string]any, expires time.Time) (*authz.Identity, error) {
	subject, err := r.subject(claims)
	if err != nil {
		return nil, invalid("no usable subject", fmt.Errorf("source %s: %v", r.source, err))
	}
	id := authz.Identity{
		Source: r.source, Issuer: r.issuer, Subject: subject, Expires: expires,
		Session: r.text(claims, "session"), Email: r.text(claims, "email"), Name: r.text(claims, "name"),
	}
	// email_verified speaks of the claim email. An address from elsewhere is
	// not covered by it.
	id.EmailVerified = r.paths["email"] == "email" && id.Email != "" && claims["email_verified"] == true
	id.ACR, _ = claims["acr"].(string)
	id.AMR, _ = stringList(claims["amr"])
	id.AuthTime, _ = numericDate(claims["auth_time"])
	groups, known := r.groups(claims)
	id.Groups, id.GroupsUnknown = groups, !known
	id.GroupsAbsent = known && groups == nil
	for _, name := range [...]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"} {
		delete(claims, name)
	}
	if r.paths["email"] != "email" {
		delete(claims, "email_verified") // it would seem to speak of the other address
	}
	for _, path := range r.paths {
		delete(claims, path)
	}
	id.Claims = claims
	return authz.NewIdentity(id), nil
}

func (r *reader) subject(claims map[string]any) (string, error) {
	v, _, _ := lookup(claims, r.paths["subject"])
	subject, ok := v.(string)
	switch {
	case !ok || subject == "":
		return "", fmt.Errorf("claim %s is missing, empty or not a string", r.paths["subject"])
	case len(subject) > maxSubjectBytes:
		return "", fmt.Errorf("claim %s has more than %d bytes", r.paths["subject"], maxSubjectBytes)
	case !plain(subject):
		return "", fmt.Errorf("claim %s holds a control or replacement character", r.paths["subject"])
	}
	return subject, nil
}

// text returns an optional claim; what is no string says nothing.
func (r *reader) text(claims map[string]any, name string) string {
	v, _, _ := lookup(claims, r.paths[name])
	s, _ := v.(string)
	return s
}

// groups returns the groups; known is false if the source could not say all of
// them. A token without the claim says that there are none.
func (r *reader) groups(claims map[string]any) (groups []string, known bool) {
	path := r.paths["groups"]
	if overage(claims, path) {
		return nil, false
	}
	v, present, err := lookup(claims, path)
	if err != nil || !present {
		return nil, err == nil
	}
	groups, ok := stringList(v)
	if groups == nil {
		groups = []string{} // said, and empty
	}
	if !ok || len(groups) > maxGroups {
		return nil, false
	}
	for _, group := range groups {
		if group == "" || len(group) > maxGroupBytes {
			return nil, false
		}
	}
	return groups, true
}

// overage reports that the issuer left the groups out because there are too
// many: by a distributed claim (OpenID Connect Core section 5.6.2), or by
// Microsoft Entra ID's short form of it, hasgroups.
func overage(claims map[string]any, path string) bool {
	if path == "groups" && claims["hasgroups"] == true {
		return true
	}
	names, present := claims["_claim_names"]
	if !present {
		return false
	}
	object, ok := names.(map[string]any)
	if !ok {
		return true
	}
	first, _, _ := strings.Cut(path, ".")
	return object[path] != nil || object[first] != nil
}

// lookup finds a claim by its name, or by names joined by dots that lead into
// objects. The whole path is tried as one name first, because names such as
// https://idp.example/groups hold dots. A step into what is no object is an
// error: the claim is neither there nor known to be absent.
func lookup(claims map[string]any, path string) (v any, present bool, err error) {
	if v, present = claims[path]; present {
		return v, true, nil
	}
	first, rest, more := strings.Cut(path, ".")
	v, present = claims[first]
	if !more || !present {
		return nil, false, nil
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, false, errors.New("path leads into what is not an object")
	}
	return lookup(object, rest)
}

func stringList(v any) (list []string, ok bool) {
	elements, ok := v.([]any)
	if !ok {
		return nil, false
	}
	list = make([]string, len(elements))
	for i, e := range elements {
		if list[i], ok = e.(string); !ok {
			return nil, false
		}
	}
	return list, true
}

// plain reports whether text holds no control character and no U+FFFD, which
// stands where decoding lost something: two subjects could become one.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError })
}

// invalid is the denial of a credential that is present and wrong. The cause
// is for operators and holds none of the credential but names, algorithms,
// key ids and times.
func invalid(detail string, cause error) *authz.Denial {
	return (&authz.Denial{Reason: authz.InvalidCredential, Detail: detail}).Because(cause)
}

func expired(cause error) *authz.Denial {
	return (&authz.Denial{Reason: authz.ExpiredCredential, Detail: "the credential has expired"}).Because(cause)
}

// unknownIssuer is the denial of claims whose iss no source of the rule has.
func unknownIssuer(iss string) *authz.Denial {
	return (&authz.Denial{Reason: authz.UnknownIssuer, Detail: "no source of this rule has the token's issuer"}).
		Because(fmt.Errorf("iss is %s", quote(iss)))
}

func malformed(detail string) *authz.Denial {
	return &authz.Denial{Reason: authz.MalformedRequest, Detail: detail}
}
