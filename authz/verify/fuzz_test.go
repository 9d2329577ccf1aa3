package verify_test

import (
	"encoding/json"
	"testing"

	"privyseal/authz/verify"
	"privyseal/authz/verify/verifytest"
)

// Of all texts, only those that the issuer signed are accepted.
func FuzzVerify(f *testing.F) {
	issuer := verifytest.NewIssuer()
	defer issuer.Close()
	good := issuer.Assertion("orders", "ann", nil)
	keys, err := verify.Static(issuer.KeySet())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good + "=")
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, jws string) {
		if _, err := keys.Verify(t.Context(), jws); err == nil && jws != good {
			t.Errorf("accepted %q", jws)
		}
	})
}

// Whatever is published is read without a panic, and a set that is accepted has
// keys.
func FuzzStatic(f *testing.F) {
	issuer := verifytest.NewIssuer()
	defer issuer.Close()
	f.Add(issuer.KeySet())
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","x":""}]}`))
	f.Fuzz(func(t *testing.T, jwks []byte) {
		keys, err := verify.Static(jwks)
		if err == nil && (keys.Status().Keys == 0 || !json.Valid(jwks)) {
			t.Errorf("accepted %q", jwks)
		}
	})
}
