package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

const (
	maxKeys       = 100
	minRSABits    = 2048
	maxRSABits    = 8192
	minRSAPublicE = 65537
)

// key is one usable public key of a set.
type key struct {
	kid    string
	alg    string // the one algorithm of the key; "" is any that fits, for RSA keys that do not say
	kty    string
	public crypto.PublicKey
}

// fits reports whether the key may be used with an algorithm.
func (k *key) fits(alg string) bool {
	if k.alg != "" {
		return k.alg == alg
	}
	a, ok := algorithmNamed(alg)
	return ok && a.kty == k.kty
}

// set is the usable part of a JWK Set (RFC 7517 section 5). Immutable.
type set struct {
	keys    []*key
	skipped []string // why keys were left out, for the log
}

// find returns the key that a token means: the one with its kid or, if the token
// names none, the only one.
func (s *set) find(kid string) *key {
	if kid == "" {
		if len(s.keys) == 1 {
			return s.keys[0]
		}
		return nil
	}
	for _, k := range s.keys {
		if k.kid == kid {
			return k
		}
	}
	return nil
}

func (s *set) keyIDs() []string {
	ids := make([]string, len(s.keys))
	for i, k := range s.keys {
		ids[i] = k.kid
	}
	slices.Sort(ids)
	return ids
}

// parseSet reads a JWK Set. Keys that cannot be used are skipped one by one, as
// RFC 7517 section 5 asks, so that an issuer may publish kinds of keys that we
// do not know yet; a set without any usable key is an error.
func parseSet(body []byte, algorithms []string) (*set, error) {
	object, err := decodeObject(body)
	if err != nil {
		return nil, fmt.Errorf("key set: %v", err)
	}
	list, ok := object["keys"].([]any)
	if !ok {
		return nil, errors.New("key set: no member keys with a list")
	}
	if len(list) > maxKeys {
		return nil, fmt.Errorf("key set: more than %d keys", maxKeys)
	}
	s := &set{}
	count := map[string]int{}
	for i, entry := range list {
		k, err := parseKey(entry, algorithms)
		if err != nil {
			s.skipped = append(s.skipped, fmt.Sprintf("keys[%d] %v", i, err))
			continue
		}
		s.keys = append(s.keys, k)
		count[k.kid]++
	}
	// Two keys with one kid: which of them is meant is anybody's guess.
	s.keys = slices.DeleteFunc(s.keys, func(k *key) bool {
		ambiguous := k.kid != "" && count[k.kid] > 1
		if ambiguous {
			s.skipped = append(s.skipped, "kid "+k.kid+" is there more than once")
		}
		return ambiguous
	})
	if len(s.keys) == 0 {
		first := s.skipped[:min(len(s.skipped), 3)]
		return nil, fmt.Errorf("key set: none of %d keys is usable: %s", len(list), strings.Join(first, "; "))
	}
	return s, nil
}

func parseKey(entry any, algorithms []string) (*key, error) {
	jwk, ok := entry.(map[string]any)
	if !ok {
		return nil, errors.New("is not an object")
	}
	if err := forVerifying(jwk); err != nil {
		return nil, err
	}
	k := &key{}
	for name, target := range map[string]*string{"kid": &k.kid, "alg": &k.alg, "kty": &k.kty} {
		if v, present := jwk[name]; present {
			if *target, ok = v.(string); !ok {
				return nil, fmt.Errorf("has a %s that is not a text", name)
			}
		}
	}
	if len(k.kid) > maxKeyIDBytes || strings.ContainsFunc(k.kid, notPrintable) {
		return nil, fmt.Errorf("has a kid that is not at most %d bytes of printable ASCII", maxKeyIDBytes)
	}
	var implied string // the algorithm that a curve implies
	var err error
	switch k.kty {
	case "EC":
		k.public, implied, err = ecKey(jwk)
	case "OKP":
		k.public, implied, err = edKey(jwk)
	case "RSA":
		k.public, err = rsaKey(jwk)
	default:
		err = errors.New("has a kty that is not EC, OKP or RSA")
	}
	if err != nil {
		return nil, err
	}
	if k.alg == "" {
		k.alg = implied
	}
	if implied != "" && k.alg != implied {
		return nil, errors.New("has an alg that is not for its curve")
	}
	if !slices.ContainsFunc(algorithms, k.fits) {
		return nil, errors.New("has an alg that is not accepted")
	}
	if a, _ := algorithmNamed(k.alg); k.alg != "" && a.kty != k.kty {
		return nil, errors.New("has an alg that is not for its kty")
	}
	return k, nil
}

// forVerifying reports why a JWK may not verify signatures: it is meant for
// something else, or it is no secret any more who can sign with it.
func forVerifying(jwk map[string]any) error {
	if use, ok := jwk["use"]; ok && use != "sig" {
		return errors.New("has a use that is not sig")
	}
	if v, ok := jwk["key_ops"]; ok {
		if ops, isList := v.([]any); !isList || !slices.Contains(ops, any("verify")) {
			return errors.New("has key_ops without verify")
		}
	}
	for _, private := range []string{"d", "k"} {
		if _, ok := jwk[private]; ok {
			return errors.New("is a published secret")
		}
	}
	return nil
}

func ecKey(jwk map[string]any) (crypto.PublicKey, string, error) {
	var curve elliptic.Curve
	var alg string
	switch jwk["crv"] {
	case "P-256":
		curve, alg = elliptic.P256(), "ES256"
	case "P-384":
		curve, alg = elliptic.P384(), "ES384"
	case "P-521":
		curve, alg = elliptic.P521(), "ES512"
	default:
		return nil, "", errors.New("has a crv that is not P-256, P-384 or P-521")
	}
	n := (curve.Params().BitSize + 7) / 8
	x, errX := octets(jwk, "x")
	y, errY := octets(jwk, "y")
	if errX != nil || errY != nil || len(x) != n || len(y) != n {
		return nil, "", fmt.Errorf("has no x and y of %d bytes", n)
	}
	point := append(append([]byte{4}, x...), y...) // SEC 1, uncompressed
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, "", errors.New("is not a point on its curve")
	}
	return public, alg, nil
}

func edKey(jwk map[string]any) (crypto.PublicKey, string, error) {
	if jwk["crv"] != "Ed25519" {
		return nil, "", errors.New("has a crv that is not Ed25519")
	}
	x, err := octets(jwk, "x")
	if err != nil || len(x) != ed25519.PublicKeySize {
		return nil, "", fmt.Errorf("has no x of %d bytes", ed25519.PublicKeySize)
	}
	return ed25519.PublicKey(x), "EdDSA", nil
}

func rsaKey(jwk map[string]any) (crypto.PublicKey, error) {
	n, errN := octets(jwk, "n")
	e, errE := octets(jwk, "e")
	if errN != nil || errE != nil || len(e) > 4 {
		return nil, errors.New("has no n and e of a usable size")
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e).Int64()
	if modulus.BitLen() < minRSABits || modulus.BitLen() > maxRSABits || modulus.Bit(0) == 0 {
		return nil, fmt.Errorf("has a modulus that is even or not of %d to %d bits", minRSABits, maxRSABits)
	}
	if exponent < minRSAPublicE || exponent%2 == 0 || exponent > 1<<31-1 {
		return nil, fmt.Errorf("has an exponent below %d or even", minRSAPublicE)
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent)}, nil
}

func octets(jwk map[string]any, name string) ([]byte, error) {
	s, ok := jwk[name].(string)
	if !ok {
		return nil, errors.New("not a text")
	}
	return decodeBase64(s)
}
