package verify_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"privyseal/authz/verify"
)

type jwk = map[string]any

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func jwkSet(keys ...any) []byte {
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return b
}

func publicJWK(t *testing.T, public crypto.PublicKey) jwk {
	t.Helper()
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		n := (len(point) - 1) / 2
		return jwk{"kty": "EC", "crv": public.Curve.Params().Name, "x": b64(point[1 : 1+n]), "y": b64(point[1+n:])}
	case ed25519.PublicKey:
		return jwk{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}
	case *rsa.PublicKey:
		return jwk{"kty": "RSA", "n": b64(public.N.Bytes()), "e": b64(big.NewInt(int64(public.E)).Bytes())}
	}
	t.Fatalf("no JWK for %T", public)
	return nil
}

func with(key jwk, members jwk) jwk {
	key = maps.Clone(key)
	maps.Copy(key, members)
	return key
}

// sign signs with any algorithm, so that every one is verified once.
func sign(t *testing.T, private crypto.Signer, alg, kid string) string {
	t.Helper()
	return signSalted(t, private, alg, kid, rsa.PSSSaltLengthEqualsHash)
}

func signSalted(t *testing.T, private crypto.Signer, alg, kid string, salt int) string {
	t.Helper()
	header := jwk{"alg": alg}
	if kid != "" {
		header["kid"] = kid
	}
	h, _ := json.Marshal(header)
	signed := b64(h) + "." + b64([]byte("{}"))
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
	digest := []byte(signed)
	if hash != 0 {
		sum := hash.New()
		sum.Write(digest)
		digest = sum.Sum(nil)
	}
	var signature []byte
	var err error
	switch private := private.(type) {
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		if r, s, err = ecdsa.Sign(rand.Reader, private, digest); err == nil {
			n := (private.Curve.Params().BitSize + 7) / 8
			signature = append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
		}
	case ed25519.PrivateKey:
		signature = ed25519.Sign(private, digest)
	case *rsa.PrivateKey:
		if strings.HasPrefix(alg, "PS") {
			signature, err = rsa.SignPSS(rand.Reader, private, hash, digest, &rsa.PSSOptions{SaltLength: salt})
		} else {
			signature, err = rsa.SignPKCS1v15(rand.Reader, private, hash, digest)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + b64(signature)
}

func ecdsaKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func TestEveryAlgorithm(t *testing.T) {
	rsaPrivate, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	privates := map[string]crypto.Signer{
		"ES256": ecdsaKey(t, elliptic.P256()), "ES384": ecdsaKey(t, elliptic.P384()), "ES512": ecdsaKey(t, elliptic.P521()), "EdDSA": edPrivate,
		"RS256": rsaPrivate, "RS384": rsaPrivate, "RS512": rsaPrivate, "PS256": rsaPrivate, "PS384": rsaPrivate, "PS512": rsaPrivate,
	}
	all := slices.Sorted(maps.Keys(privates))
	for _, alg := range all {
		key := publicJWK(t, privates[alg].Public())
		for _, set := range [][]byte{jwkSet(key), jwkSet(with(key, jwk{"alg": alg, "use": "sig", "key_ops": []string{"verify"}}))} {
			keys, err := verify.Static(set, all...)
			if err != nil {
				t.Fatal(alg, err)
			}
			if _, err := keys.Verify(t.Context(), sign(t, privates[alg], alg, "")); err != nil {
				t.Errorf("%s: %v", alg, err)
			}
		}
	}
	// A key that says its algorithm is for no other, even if the signature is good.
	keys, err := verify.Static(jwkSet(with(publicJWK(t, rsaPrivate.Public()), jwk{"alg": "RS256"})), all...)
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range []string{"RS512", "PS256"} {
		if _, err := keys.Verify(t.Context(), sign(t, rsaPrivate, alg, "")); !errors.Is(err, verify.ErrSignature) {
			t.Errorf("%s with a key for RS256: %v", alg, err)
		}
	}
	// Without asking, the list is the short one.
	keys, err = verify.Static(jwkSet(publicJWK(t, rsaPrivate.Public())))
	if err != nil {
		t.Fatal(err)
	}
	for alg, want := range map[string]error{"RS256": nil, "PS256": nil, "RS512": verify.ErrMalformed, "PS384": verify.ErrMalformed} {
		if _, err := keys.Verify(t.Context(), sign(t, rsaPrivate, alg, "")); !errors.Is(err, want) {
			t.Errorf("%s by default: %v", alg, err)
		}
	}
	// The salt of PSS is as long as the hash (RFC 7518 section 3.5).
	for _, salt := range []int{20, rsa.PSSSaltLengthAuto} {
		if _, err := keys.Verify(t.Context(), signSalted(t, rsaPrivate, "PS256", "", salt)); !errors.Is(err, verify.ErrSignature) {
			t.Errorf("salt %d: %v", salt, err)
		}
	}
}

// Keys that cannot be used are left out; the good one beside them stays.
func TestUnusableKeys(t *testing.T) {
	private := ecdsaKey(t, elliptic.P256())
	ec := publicJWK(t, private.Public())
	rsaOf := func(bits int, e int64) jwk {
		n := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(bits)), big.NewInt(1))
		return jwk{"kty": "RSA", "n": b64(n.Bytes()), "e": b64(big.NewInt(e).Bytes())}
	}
	good := with(ec, jwk{"kid": "good"})
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	x, y := point[1:33], point[33:]
	for name, bad := range map[string]any{
		"not an object":        "x",
		"null":                 nil,
		"symmetric":            jwk{"kty": "oct", "k": b64([]byte("secret"))},
		"unknown kty":          jwk{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
		"no kty":               jwk{"crv": "P-256"},
		"kty not a text":       with(ec, jwk{"kty": 1}),
		"upper case member":    jwk{"KTY": "EC", "crv": "P-256", "x": ec["x"], "y": ec["y"]},
		"unknown curve":        with(ec, jwk{"crv": "secp256k1"}),
		"another curve":        with(ec, jwk{"crv": "P-384"}),
		"off the curve":        with(ec, jwk{"y": b64(make([]byte, 32))}),
		"short coordinate":     with(ec, jwk{"x": b64(make([]byte, 31))}),
		"shifted coordinates":  with(ec, jwk{"x": b64(x[:31]), "y": b64(append(x[31:32:32], y...))}),
		"alg of another curve": with(ec, jwk{"alg": "ES384"}),
		"padded coordinate":    with(ec, jwk{"x": ec["x"].(string) + "="}),
		"private":              with(ec, jwk{"d": b64(make([]byte, 32))}),
		"for encryption":       with(ec, jwk{"use": "enc"}),
		"use not a text":       with(ec, jwk{"use": nil}),
		"for signing only":     with(ec, jwk{"key_ops": []string{"sign"}}),
		"key_ops a text":       with(ec, jwk{"key_ops": "verify"}),
		"alg of others":        with(ec, jwk{"alg": "RS256"}),
		"alg for kty":          with(rsaOf(2048, 65537), jwk{"alg": "ES256"}),
		"alg of a secret":      with(rsaOf(2048, 65537), jwk{"alg": "HS256"}),
		"alg not asked for":    with(rsaOf(2048, 65537), jwk{"alg": "RS384"}),
		"kid with NUL":         with(ec, jwk{"kid": "a\x00"}),
		"kid too long":         with(ec, jwk{"kid": strings.Repeat("k", 257)}),
		"Ed25519 short":        jwk{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
		"X25519":               jwk{"kty": "OKP", "crv": "X25519", "x": b64(make([]byte, 32))},
		"RSA of 1024 bits":     rsaOf(1024, 65537),
		"RSA of 16384 bits":    rsaOf(16384, 65537),
		"RSA with e 1":         rsaOf(2048, 1),
		"RSA with e 3":         rsaOf(2048, 3),
		"RSA with even e":      rsaOf(2048, 65538),
		"RSA with huge e":      with(rsaOf(2048, 3), jwk{"e": b64([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})}),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := verify.Static(jwkSet(bad)); err == nil {
				t.Error("accepted")
			}
			keys, err := verify.Static(jwkSet(bad, good))
			if err != nil {
				t.Fatal(err)
			}
			if n := keys.Status().Keys; n != 1 {
				t.Errorf("%d keys", n)
			}
			if _, err := keys.Verify(t.Context(), sign(t, private, "ES256", "good")); err != nil {
				t.Error(err)
			}
		})
	}
}

// Of two keys with one kid nobody knows which is meant: neither is used.
func TestDuplicateKid(t *testing.T) {
	first, second, other := ecdsaKey(t, elliptic.P256()), ecdsaKey(t, elliptic.P256()), ecdsaKey(t, elliptic.P256())
	keys, err := verify.Static(jwkSet(
		with(publicJWK(t, first.Public()), jwk{"kid": "a"}),
		with(publicJWK(t, second.Public()), jwk{"kid": "a"}),
		with(publicJWK(t, other.Public()), jwk{"kid": "b"})))
	if err != nil {
		t.Fatal(err)
	}
	for _, private := range []crypto.Signer{first, second} {
		if _, err := keys.Verify(t.Context(), sign(t, private, "ES256", "a")); !errors.Is(err, verify.ErrUnknownKey) {
			t.Error(err)
		}
	}
	if keys.Contains("a") || !keys.Contains("b") || keys.Contains("") {
		t.Error("Contains does not agree")
	}
}

func TestStaticRefuses(t *testing.T) {
	key := publicJWK(t, ecdsaKey(t, elliptic.P256()).Public())
	many := make([]any, 101)
	for i := range many {
		many[i] = key
	}
	for name, set := range map[string][]byte{
		"too many keys": jwkSet(many...),
		"too long":      append(jwkSet(key), slices.Repeat([]byte(" "), 1<<20)...),
		"a bare key":    jwkSet(key)[len(`{"keys":[`) : len(jwkSet(key))-2],
	} {
		if _, err := verify.Static(set); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := verify.Static(jwkSet(key), "HS256"); err == nil {
		t.Error("HS256 accepted as an algorithm")
	}
}
