package credential_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
)

func TestGroups(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	e := env(idp)
	long := strings.Repeat("g", 256)
	for name, test := range map[string]struct {
		path    string
		claims  claims
		want    []string
		unknown bool
	}{
		"none":                         {"", claims{}, nil, false},
		"empty":                        {"", claims{"groups": []string{}}, nil, false},
		"some":                         {"", claims{"groups": []string{"a", "b"}}, []string{"a", "b"}, false},
		"longest name":                 {"", claims{"groups": []string{long}}, []string{long}, false},
		"name too long":                {"", claims{"groups": []string{"a", long + "g"}}, nil, true},
		"empty name":                   {"", claims{"groups": []string{"a", ""}}, nil, true},
		"one string":                   {"", claims{"groups": "a"}, nil, true},
		"null":                         {"", claims{"groups": nil}, nil, true},
		"object":                       {"", claims{"groups": claims{"a": true}}, nil, true},
		"a number among them":          {"", claims{"groups": []any{"a", 1}}, nil, true},
		"a list among them":            {"", claims{"groups": []any{"a", []any{"b"}}}, nil, true},
		"distributed":                  {"", claims{"_claim_names": claims{"groups": "src1"}}, nil, true},
		"distributed and present":      {"", claims{"_claim_names": claims{"groups": "src1"}, "groups": []string{"a"}}, nil, true},
		"another claim is distributed": {"", claims{"_claim_names": claims{"address": "src1"}, "groups": []string{"a"}}, []string{"a"}, false},
		"distributed, malformed":       {"", claims{"_claim_names": "groups"}, nil, true},
		"hasgroups":                    {"", claims{"hasgroups": true}, nil, true},
		"hasgroups, roles are read":    {"roles", claims{"hasgroups": true, "roles": []string{"r"}}, []string{"r"}, false},
		"path":                         {"realm_access.roles", claims{"realm_access": claims{"roles": []string{"r"}}}, []string{"r"}, false},
		"path, nothing there":          {"realm_access.roles", claims{"realm_access": claims{}}, nil, false},
		"path into a string":           {"realm_access.roles", claims{"realm_access": "x"}, nil, true},
		"path into null":               {"realm_access.roles", claims{"realm_access": nil}, nil, true},
		"path, distributed":            {"realm_access.roles", claims{"_claim_names": claims{"realm_access": "s"}}, nil, true},
		"name with dots":               {"https://x.example/groups", claims{"https://x.example/groups": []string{"g"}}, []string{"g"}, false},
		"name with dots comes first":   {"a.b", claims{"a.b": []string{"whole"}, "a": claims{"b": []string{"path"}}}, []string{"whole"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := idp.jwt("corp")
			if test.path != "" {
				o.ClaimPaths = map[string]string{"groups": test.path}
			}
			all := idp.claims()
			for claim, value := range test.claims {
				all[claim] = value
			}
			id := expect(t, only(t, e, jwtSources(o)), withBearer(idp.token(all)), authz.Allowed)
			if id != nil && (!slices.Equal(id.Groups, test.want) || id.GroupsUnknown != test.unknown) {
				t.Errorf("got %q, unknown %v; want %q, unknown %v", id.Groups, id.GroupsUnknown, test.want, test.unknown)
			}
		})
	}
}

// Too many groups are unknown, not cut off. Only dynamic metadata can carry so
// many: tokens are shorter.
func TestManyGroups(t *testing.T) {
	a := metadataSource(t, nil)
	for n, unknown := range map[int]bool{5000: false, 5001: true} {
		groups := make([]any, n)
		for i := range groups {
			groups[i] = "g"
		}
		id := expect(t, a, withClaims(edgeClaims("groups", groups)), authz.Allowed)
		if id != nil && (id.GroupsUnknown != unknown || !unknown && len(id.Groups) != n) {
			t.Errorf("%d groups: got %d, unknown %v", n, len(id.Groups), id.GroupsUnknown)
		}
	}
}

func TestEmail(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	e := env(idp)
	for i, test := range []struct {
		path     string
		claims   claims
		want     string
		verified bool
	}{
		{"", claims{"email": "a@x.example", "email_verified": true}, "a@x.example", true},
		{"", claims{"email": "a@x.example"}, "a@x.example", false},
		{"", claims{"email": "a@x.example", "email_verified": "true"}, "a@x.example", false},
		{"", claims{"email": "a@x.example", "email_verified": 1}, "a@x.example", false},
		{"", claims{"email": []string{"a@x.example"}, "email_verified": true}, "", false},
		{"", claims{"email_verified": true}, "", false},
		// email_verified says nothing about another claim.
		{"upn", claims{"upn": "a@x.example", "email": "b@x.example", "email_verified": true}, "a@x.example", false},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			o := idp.jwt("corp")
			if test.path != "" {
				o.ClaimPaths = map[string]string{"email": test.path}
			}
			all := idp.claims()
			for claim, value := range test.claims {
				all[claim] = value
			}
			id := expect(t, only(t, e, jwtSources(o)), withBearer(idp.token(all)), authz.Allowed)
			if id != nil && (id.Email != test.want || id.EmailVerified != test.verified) {
				t.Errorf("got %q, verified %v; want %q, %v", id.Email, id.EmailVerified, test.want, test.verified)
			}
		})
	}
}

func TestClaimPathsOfSubjectNameAndSession(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	o := idp.jwt("corp")
	o.ClaimPaths = map[string]string{"subject": "oid", "name": "profile.display", "session": "session_state"}
	a := only(t, env(idp), jwtSources(o))
	id := expect(t, a, withBearer(idp.token(idp.claims().with("oid", "o-1").with("profile", claims{"display": "Ann"}).with("session_state", "s"))), authz.Allowed)
	if id.Subject != "o-1" || id.Name != "Ann" || id.Session != "s" {
		t.Errorf("got %q %q %q", id.Subject, id.Name, id.Session)
	}
	expect(t, a, withBearer(idp.token(idp.claims())), authz.InvalidCredential) // sub does not stand in
}

// TestBoundTokenIsNoBearer: a token that is bound to a key is worth nothing to
// who only has the token.
func TestBoundTokenIsNoBearer(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	expect(t, only(t, env(idp), jwtSources(idp.jwt("corp"))), withBearer(idp.token(claims{
		"iss": idp.url, "aud": "api", "sub": "s", "exp": now.Add(time.Hour).Unix(), "cnf": claims{"jkt": "x"},
	})), authz.InvalidCredential)
}

func TestAbsentGroupsAreNotNoGroups(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	for name, c := range map[string]struct {
		groups any
		absent bool
	}{"absent": {nil, true}, "empty": {[]string{}, false}, "some": {[]string{"a"}, false}} {
		token := claims{"iss": idp.url, "aud": "api", "sub": "s", "exp": now.Add(time.Hour).Unix()}
		if c.groups != nil {
			token["groups"] = c.groups
		}
		id := expect(t, only(t, env(idp), jwtSources(idp.jwt("corp"))), withBearer(idp.token(token)), authz.Allowed)
		if id.GroupsAbsent != c.absent {
			t.Errorf("%s: %+v", name, id)
		}
	}
}
