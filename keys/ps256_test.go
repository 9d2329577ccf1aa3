package keys

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// A PS256 key says so in its JWK and its tokens, and its salt is as long as the
// digest (RFC 7518 section 3.5). Its kid does not depend on the algorithm (RFC
// 7638), and its PEM does not know it.
func TestPS256(t *testing.T) {
	k, err := Generate("PS256", nil)
	if err != nil {
		t.Fatal(err)
	}
	var jwk map[string]string
	if err := json.Unmarshal(k.PublicJWK(), &jwk); err != nil || jwk["alg"] != "PS256" || jwk["kty"] != "RSA" || jwk["kid"] != k.KeyID() || k.Algorithm() != "PS256" {
		t.Errorf("%v: %s, %v", k, k.PublicJWK(), err)
	}
	if kid, err := Thumbprint(k.Public()); err != nil || kid != k.KeyID() {
		t.Errorf("thumbprint %s, kid %s, %v", kid, k.KeyID(), err)
	}
	ring := NewRing(RingOptions{})
	if err := ring.Use(&Set{keys: []*Key{k}}, Rotation{}); err != nil {
		t.Fatal(err)
	}
	wantToken(t, ring, "PS256", k.Public())
	token, _, err := ring.Sign(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	end := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	digest := sha256.Sum256([]byte(token[:end]))
	if err != nil || rsa.VerifyPSS(k.Public().(*rsa.PublicKey), crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: 32}) != nil {
		t.Errorf("%s does not verify with a salt of 32 bytes: %v", token, err)
	}
	if half, err := newPublicKeyFor("PS256", newModuleKey(t, "ES256").Public()); err == nil {
		t.Errorf("an EC key for PS256: %v", half)
	}
	text, err := k.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	set, err := Parse(text, ParseOptions{})
	if err != nil || set.keys[0].Algorithm() != "RS256" || set.keys[0].KeyID() != k.KeyID() {
		t.Errorf("read back: %v, %v", set, err)
	}
}
