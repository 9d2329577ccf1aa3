package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"privyseal/keys"
)

func decode(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func p256(t *testing.T, x, y string) *ecdsa.PublicKey {
	t.Helper()
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, decode(t, x), decode(t, y)))
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func TestThumbprintVectors(t *testing.T) {
	for name, c := range map[string]struct {
		public crypto.PublicKey
		want   string
	}{
		"Pomerium's documentation": {
			p256(t, "QCN7adG2AmIK3UdHJvVJkldsUc6XeBRz83Z4rXX8Va4", "PI95b-ary66nrvA55TpaiWADq8b3O1CYIbvjqIHpXCY"),
			"ccc5bc9d835ff3c8f7075ed4a7510159cf440fd7bf7b517b5caeb1fa419ee6a1",
		},
		"RFC 7638 section 3.1": {
			&rsa.PublicKey{E: 65537, N: new(big.Int).SetBytes(decode(t, "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"))},
			"3736cbb1787cb8309c77ee8c3705c5e16ffb9e859715901f1e4c59b11182f57b", // NzbLsXh8… in the RFC's base64url
		},
	} {
		if got, err := keys.Thumbprint(c.public); err != nil || got != c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := keys.Thumbprint("a password"); err == nil {
		t.Errorf("a string has the thumbprint %s", got)
	}
}

// The members of a JWK and their order are a contract; go-jose reads them and
// finds the same key.
func TestPublicJWK(t *testing.T) {
	members := map[string]string{
		"ES256": "use kty kid crv alg x y",
		"ES384": "use kty kid crv alg x y",
		"ES512": "use kty kid crv alg x y",
		"EdDSA": "use kty kid crv alg x",
		"RS256": "use kty kid alg n e",
	}
	for _, alg := range algorithms {
		t.Run(alg, func(t *testing.T) {
			k := newKey(t, alg)
			if got := memberNames(t, k.PublicJWK()); got != members[alg] {
				t.Errorf("members %q, want %q", got, members[alg])
			}
			var parsed jose.JSONWebKey
			if err := parsed.UnmarshalJSON(k.PublicJWK()); err != nil {
				t.Fatal(err)
			}
			if parsed.Algorithm != alg || parsed.Use != "sig" || parsed.KeyID != k.KeyID() || !parsed.Valid() || !parsed.IsPublic() {
				t.Errorf("%s", k.PublicJWK())
			}
			if !parsed.Key.(interface{ Equal(crypto.PublicKey) bool }).Equal(privateOf(t, k).Public()) || !parsed.Key.(interface{ Equal(crypto.PublicKey) bool }).Equal(k.Public()) {
				t.Error("the published key is another one")
			}
			if sum, err := parsed.Thumbprint(crypto.SHA256); err != nil || hex.EncodeToString(sum) != k.KeyID() {
				t.Errorf("kid %s, thumbprint %x", k.KeyID(), sum)
			}
			if got, err := keys.Thumbprint(k.Public()); err != nil || got != k.KeyID() {
				t.Errorf("Thumbprint %s, %v", got, err)
			}
		})
	}
}

// memberNames lists the members of a flat object in order.
func memberNames(t *testing.T, object []byte) string {
	t.Helper()
	var names []string
	d := json.NewDecoder(strings.NewReader(string(object)))
	for i := 0; ; i++ {
		token, err := d.Token()
		if err != nil {
			break
		}
		if i%2 == 1 && d.More() {
			names = append(names, token.(string))
		}
	}
	return strings.Join(names, " ")
}

func TestMarshalJWKS(t *testing.T) {
	a, b := newKey(t, "ES256"), newKey(t, "EdDSA")
	set := parse(t, privateText(t, a), publicText(t, b))
	want := `{"keys":[` + string(a.PublicJWK()) + "," + string(b.PublicJWK()) + `]}`
	if got := string(set.MarshalJWKS()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
