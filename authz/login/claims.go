package login

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Bounds of what a session holds of claims.
const (
	maxSubjectBytes = 255 // OpenID Connect Core section 2
	maxGroups       = 5000
	maxGroupBytes   = 256
)

// decodeClaims reads the claims of a verified token; numbers stay as written.
func decodeClaims(id *oidc.IDToken) (map[string]any, error) {
	var raw json.RawMessage
	if err := id.Claims(&raw); err != nil {
		return nil, errors.New("the claims are not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var claims map[string]any
	if err := d.Decode(&claims); err != nil {
		return nil, errors.New("the claims are not an object")
	}
	return claims, nil
}

// read takes over what an ID token says about a person.
func (s *source) read(into *session, claims map[string]any) error {
	path := func(claim, standard string) string {
		if p := s.ClaimPaths[claim]; p != "" {
			return p
		}
		return standard
	}
	text := func(claim, standard string) string {
		v, _, _ := lookup(claims, path(claim, standard))
		t, _ := v.(string)
		return t
	}
	subject := text("subject", "sub")
	if subject == "" || len(subject) > maxSubjectBytes || strings.ContainsFunc(subject, unplain) {
		return loginFailed("the identity provider did not say who logged in",
			fmt.Errorf("source %s: claim %s is missing, no text, longer than %d bytes or holds control characters", s.Name, path("subject", "sub"), maxSubjectBytes))
	}
	into.Subject = subject
	into.Logout.Subject, _ = claims["sub"].(string)
	into.Logout.Session, _ = claims["sid"].(string)
	into.Email, into.Name = text("email", "email"), text("name", "name")
	// email_verified speaks of the claim email, and of no other.
	into.EmailVerified = path("email", "email") == "email" && into.Email != "" && claims["email_verified"] == true
	into.ACR, _ = claims["acr"].(string)
	into.AMR, _ = stringList(claims["amr"])
	into.AuthTime = numericDate(claims["auth_time"])
	into.readGroups(claims, path("groups", "groups"))
	into.Claims = nil
	for _, name := range s.Claims {
		if v, ok := claims[name]; ok {
			if into.Claims == nil {
				into.Claims = map[string]any{}
			}
			into.Claims[name] = v
		}
	}
	return nil
}

// readGroups reads the groups, which are unknown, not cut off, when the provider
// could not say all of them.
func (into *session) readGroups(claims map[string]any, path string) {
	into.Groups, into.GroupsUnknown, into.GroupsAbsent = nil, false, false
	v, present, err := lookup(claims, path)
	switch {
	case overage(claims, path) || err != nil:
		into.GroupsUnknown = true
	case !present:
		into.GroupsAbsent = true
	default:
		groups, ok := stringList(v)
		if !ok || len(groups) > maxGroups {
			into.GroupsUnknown = true
			return
		}
		for _, group := range groups {
			if group == "" || len(group) > maxGroupBytes {
				into.GroupsUnknown = true
				return
			}
		}
		into.Groups = groups
	}
}

// overage reports that the provider left the groups out because there are too
// many: by a distributed claim (OpenID Connect Core section 5.6.2), or by
// Microsoft Entra ID's short form of it, hasgroups.
func overage(claims map[string]any, path string) bool {
	if path == "groups" && claims["hasgroups"] == true {
		return true
	}
	names, present := claims["_claim_names"]
	object, ok := names.(map[string]any)
	first, _, _ := strings.Cut(path, ".")
	return present && (!ok || object[path] != nil || object[first] != nil)
}

// lookup finds a claim by its name, or by names joined by dots that lead into
// objects; the whole path is tried as one name first.
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

// numericDate reads a NumericDate (RFC 7519 section 2); 0 is none.
func numericDate(v any) int64 {
	n, _ := v.(json.Number)
	seconds, err := n.Float64()
	if err != nil || seconds < 0 || seconds > float64(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).Unix()) {
		return 0
	}
	return int64(seconds)
}

// unplain reports characters at which two subjects could become one.
func unplain(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }

// network is what went wrong on the way, without the URL and what was sent.
func network(err error) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return fmt.Sprintf("%.200v", wrapped.Err)
	}
	return "no usable answer"
}
