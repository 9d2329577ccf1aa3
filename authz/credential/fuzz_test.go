package credential_test

import (
	"strings"
	"testing"

	"privyseal/authz"
)

// Whatever a header holds, the answer is an identity that the issuer vouched
// for, no credential, or a denial that is the client's fault; never a fault of
// ours, and never a second spelling of a token.
func FuzzAuthorization(f *testing.F) {
	idp := newIssuer(f, "https://idp.example")
	a := only(f, env(idp), jwtSources(idp.jwt("corp")))
	good := idp.token(idp.claims())
	parts := strings.Split(good, ".")
	for _, seed := range []string{
		"", "Bearer", "Bearer " + good, "Basic x", "bearer\t" + good, "Bearer a.b.c", "Bearer " + good + "," + good,
		"Bearer " + b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
		"Bearer " + parts[0] + "." + b64([]byte(`{"iss":"https://idp.example","aud":[[]],"exp":1e9999}`)) + "." + parts[2],
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		id, err := authenticate(a, request("authorization", value))
		switch reasonOf(id, err) {
		case authz.Allowed:
			if !strings.HasSuffix(strings.TrimRight(value, " \t"), good) {
				t.Errorf("%q authenticates %+v", value, id)
			}
		case "no credential", authz.MalformedRequest, authz.InvalidCredential, authz.ExpiredCredential, authz.UnknownIssuer:
		default:
			t.Errorf("%q: %v", value, err)
		}
	})
}

// The same with claims that the issuer did sign.
func FuzzClaims(f *testing.F) {
	idp := newIssuer(f, "https://idp.example")
	a := only(f, env(idp), jwtSources(idp.jwt("corp")))
	text := string(mustJSON(idp.claims()))
	for _, seed := range []string{
		text, "{}", "null", `{"groups":[1],` + text[1:], `{"_claim_names":{},` + text[1:], strings.Replace(text, `"api"`, `["api",[]]`, 1),
		strings.Replace(text, `"248289761001"`, `"\ud800"`, 1), `{"a":{"b":[{"c":null}]},` + text[1:],
	} {
		f.Add(seed)
	}
	header := map[string]any{"alg": "EdDSA", "kid": idp.kid("ed")}
	f.Fuzz(func(t *testing.T, payload string) {
		id, err := authenticate(a, withBearer(idp.sign(header, []byte(payload))))
		switch reasonOf(id, err) {
		case authz.Allowed:
			if id.Subject == "" || len(id.Subject) > 255 || id.Issuer != idp.url || !now.Before(id.Expires) || id.Source != "corp" {
				t.Errorf("%q authenticates %+v", payload, id)
			}
		case authz.InvalidCredential, authz.ExpiredCredential, authz.UnknownIssuer:
		default:
			t.Errorf("%q: %v", payload, err)
		}
	})
}
