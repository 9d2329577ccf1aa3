package keys_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"privyseal/keys"
)

func ringOf(t testing.TB, list ...*keys.Key) *keys.Ring {
	t.Helper()
	ring := keys.NewRing(keys.RingOptions{})
	if err := ring.Use(setOf(t, list...), keys.Rotation{}); err != nil {
		t.Fatal(err)
	}
	return ring
}

// verifies checks a compact JWS with the standard library alone.
func verifies(public crypto.PublicKey, jws string) bool {
	end := strings.LastIndexByte(jws, '.')
	signature, err := base64.RawURLEncoding.Strict().DecodeString(jws[end+1:])
	if err != nil {
		return false
	}
	input := []byte(jws[:end])
	switch public := public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(public, input, signature)
	case *rsa.PublicKey:
		sum := sha256.Sum256(input)
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature) == nil
	case *ecdsa.PublicKey:
		width := (public.Params().BitSize + 7) / 8
		if len(signature) != 2*width { // r and s, each as wide as the curve (RFC 7518 section 3.4)
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:width]), new(big.Int).SetBytes(signature[width:])
		return ecdsa.Verify(public, ecdsaDigest(public, input), r, s)
	}
	return false
}

func ecdsaDigest(public *ecdsa.PublicKey, input []byte) []byte {
	switch public.Params().BitSize {
	case 256:
		sum := sha256.Sum256(input)
		return sum[:]
	case 384:
		sum := sha512.Sum384(input)
		return sum[:]
	}
	sum := sha512.Sum512(input)
	return sum[:]
}

// A signature verifies with the standard library and with go-jose, under the
// kid of its header, for the payload and nothing else.
func TestSign(t *testing.T) {
	payload := []byte(`{"sub":"ada"}`)
	for _, alg := range algorithms {
		t.Run(alg, func(t *testing.T) {
			k := newKey(t, alg)
			ring := ringOf(t, k, newKey(t, "ES256"))
			token, kid, err := ring.Sign(t.Context(), payload)
			if err != nil {
				t.Fatal(err)
			}
			if kid != k.KeyID() || ring.KeyID() != kid {
				t.Errorf("kid %s, KeyID %s, want %s", kid, ring.KeyID(), k.KeyID())
			}
			header, _ := base64.RawURLEncoding.DecodeString(token[:strings.IndexByte(token, '.')])
			if want := `{"alg":"` + alg + `","kid":"` + kid + `","typ":"JWT"}`; string(header) != want {
				t.Errorf("header %s, want %s", header, want)
			}
			if !verifies(k.Public(), token) {
				t.Error("the standard library does not verify it")
			}
			if swapped := strings.Replace(token, ".", ".e", 1); verifies(k.Public(), swapped) {
				t.Error("another payload verifies")
			}
			var set jose.JSONWebKeySet
			if err := json.Unmarshal(jwksOf(t, ring), &set); err != nil {
				t.Fatal(err)
			}
			parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := parsed.Verify(set.Key(kid)[0]); err != nil || string(got) != string(payload) {
				t.Errorf("go-jose: %s, %v", got, err)
			}
		})
	}
}

// Short r or s are padded: one signature in 128 has one.
func TestSignatureWidth(t *testing.T) {
	ring := ringOf(t, newKey(t, "ES256"))
	for range 400 {
		token, _, err := ring.Sign(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(token) - strings.LastIndexByte(token, '.') - 1; n != 86 {
			t.Fatalf("a signature of %d characters, want 86", n)
		}
	}
}

func TestSignNeedsKeysAndTime(t *testing.T) {
	empty := keys.NewRing(keys.RingOptions{})
	if token, _, err := empty.Sign(t.Context(), nil); err == nil || token != "" || empty.KeyID() != "" || empty.Has("") {
		t.Errorf("without keys: %q, %v", token, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if token, _, err := ringOf(t, newKey(t, "ES256")).Sign(ctx, nil); !errors.Is(err, context.Canceled) || token != "" {
		t.Errorf("after the deadline: %q, %v", token, err)
	}
}

func TestGenerate(t *testing.T) {
	for _, alg := range algorithms {
		k := newKey(t, alg)
		if k.Algorithm() != alg || !k.Private() {
			t.Errorf("%s: %v", alg, k)
		}
		if got := setOf(t, k).Keys()[0]; got.KeyID() != k.KeyID() || !privateOf(t, got).(interface{ Equal(crypto.PrivateKey) bool }).Equal(privateOf(t, k)) {
			t.Errorf("%s: another key after Parse", alg)
		}
	}
	for _, alg := range []string{"", "HS256", "none", "PS384", "es256"} {
		if k, err := keys.Generate(alg, nil); err == nil {
			t.Errorf("%q made %v", alg, k)
		}
	}
	half := parse(t, privateText(t, newKey(t, "ES256")), publicText(t, newKey(t, "ES384"))).Keys()[1]
	if text, err := half.MarshalPEM(); err == nil {
		t.Errorf("a public half has a private key: %s", text)
	}
}

func BenchmarkSign(b *testing.B) {
	payload := []byte(strings.Repeat("x", 300))
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		ring := ringOf(b, newKey(b, alg))
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := ring.Sign(b.Context(), payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
