package login_test

import (
	"maps"
	"strings"
	"testing"

	"privyseal/authz"
	"privyseal/authz/login"
)

// What an ID token says is what the identity says, and nothing that it does not
// say is made up.
func TestIdentityOfAnIDToken(t *testing.T) {
	for _, test := range []struct {
		what   string
		claims map[string]any
		edit   func(*login.Source)
		ok     func(*authz.Identity) bool
	}{
		{"everything", map[string]any{"acr": "gold", "amr": []string{"pwd", "otp"}}, nil, func(id *authz.Identity) bool {
			return id.Source == "corp" && id.Subject == "alice" && id.Session == "op-session-1" && id.Email == "alice@corp.example" && id.EmailVerified &&
				id.Name == "Alice" && id.ACR == "gold" && len(id.AMR) == 2 && len(id.Groups) == 1 && !id.GroupsUnknown && !id.GroupsAbsent &&
				!id.AuthTime.IsZero() && id.Claims == nil && !id.Expires.IsZero()
		}},
		{"an unverified address", map[string]any{"email_verified": false}, nil, func(id *authz.Identity) bool { return id.Email != "" && !id.EmailVerified }},
		{"verified as text", map[string]any{"email_verified": "true"}, nil, func(id *authz.Identity) bool { return !id.EmailVerified }},
		{"an address of another claim", map[string]any{"upn": "a@b.example"}, func(o *login.Source) { o.ClaimPaths = map[string]string{"email": "upn"} },
			func(id *authz.Identity) bool { return id.Email == "a@b.example" && !id.EmailVerified }},
		{"groups on a path", map[string]any{"realm": map[string]any{"roles": []string{"x"}}}, func(o *login.Source) { o.ClaimPaths = map[string]string{"groups": "realm.roles"} },
			func(id *authz.Identity) bool { return len(id.Groups) == 1 && id.Groups[0] == "x" }},
		{"no groups", map[string]any{"groups": []string{}}, nil, func(id *authz.Identity) bool { return len(id.Groups) == 0 && !id.GroupsUnknown && !id.GroupsAbsent }},
		{"nothing of groups", map[string]any{"groups": nil}, nil, func(id *authz.Identity) bool { return id.GroupsUnknown || id.GroupsAbsent }},
		{"groups of another type", map[string]any{"groups": "staff"}, nil, func(id *authz.Identity) bool { return id.GroupsUnknown }},
		{"groups that are no texts", map[string]any{"groups": []any{"staff", 7}}, nil, func(id *authz.Identity) bool { return id.GroupsUnknown && id.Groups == nil }},
		{"an empty group", map[string]any{"groups": []string{""}}, nil, func(id *authz.Identity) bool { return id.GroupsUnknown }},
		{"a long group", map[string]any{"groups": []string{strings.Repeat("a", 257)}}, nil, func(id *authz.Identity) bool { return id.GroupsUnknown }},
		{"overage", map[string]any{"_claim_names": map[string]any{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://x.example"}}}, nil,
			func(id *authz.Identity) bool { return id.GroupsUnknown && id.Groups == nil }},
		{"hasgroups", map[string]any{"hasgroups": true}, nil, func(id *authz.Identity) bool { return id.GroupsUnknown && id.Groups == nil }},
		{"a path into a text", nil, func(o *login.Source) { o.ClaimPaths = map[string]string{"groups": "name.roles"} }, func(id *authz.Identity) bool { return id.GroupsUnknown }},
		{"chosen claims", map[string]any{"dept": "x", "level": 7, "other": 1}, func(o *login.Source) { o.Claims = []string{"dept", "level", "absent"} },
			func(id *authz.Identity) bool { return len(id.Claims) == 2 && id.Claims["dept"] == "x" }},
		{"another subject", map[string]any{"oid": "o-1"}, func(o *login.Source) { o.ClaimPaths = map[string]string{"subject": "oid"} },
			func(id *authz.Identity) bool { return id.Subject == "o-1" }},
	} {
		w := newWorld(t, func(o *login.Source) {
			if test.edit != nil {
				test.edit(o)
			}
		})
		maps.Copy(w.op.user, test.claims)
		var got *authz.Identity
		w.judge = func(id *authz.Identity) error { got = id; return nil }
		w.browser().open(home + "/")
		if got == nil || !test.ok(got) {
			t.Errorf("%s: %+v", test.what, got)
		}
	}
}
