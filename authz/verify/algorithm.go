package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // SHA-256 for crypto.Hash
	_ "crypto/sha512" // SHA-384 and SHA-512
	"errors"
	"math/big"
)

// algorithm is what a JWS alg stands for (RFC 7518 section 3.1, RFC 8037).
type algorithm struct {
	kty, crv string
	hash     crypto.Hash // 0: the algorithm hashes by itself
	pss      bool
}

func algorithmNamed(name string) (a algorithm, ok bool) {
	switch name {
	case "ES256":
		return algorithm{kty: "EC", crv: "P-256", hash: crypto.SHA256}, true
	case "ES384":
		return algorithm{kty: "EC", crv: "P-384", hash: crypto.SHA384}, true
	case "ES512":
		return algorithm{kty: "EC", crv: "P-521", hash: crypto.SHA512}, true
	case "EdDSA":
		return algorithm{kty: "OKP", crv: "Ed25519"}, true
	case "RS256":
		return algorithm{kty: "RSA", hash: crypto.SHA256}, true
	case "RS384":
		return algorithm{kty: "RSA", hash: crypto.SHA384}, true
	case "RS512":
		return algorithm{kty: "RSA", hash: crypto.SHA512}, true
	case "PS256":
		return algorithm{kty: "RSA", hash: crypto.SHA256, pss: true}, true
	case "PS384":
		return algorithm{kty: "RSA", hash: crypto.SHA384, pss: true}, true
	case "PS512":
		return algorithm{kty: "RSA", hash: crypto.SHA512, pss: true}, true
	}
	return algorithm{}, false
}

func defaultAlgorithms() []string {
	return []string{"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"}
}

// ValidAlgorithm reports why a name may not stand in [Options.Algorithms].
func ValidAlgorithm(name string) error {
	if _, ok := algorithmNamed(name); !ok {
		return errors.New("is not one of ES256, ES384, ES512, EdDSA, RS256, RS384, RS512, PS256, PS384, PS512")
	}
	return nil
}

// verify reports whether the key made the signature with the algorithm. The
// caller has checked that the two belong together.
func (a algorithm) verify(public crypto.PublicKey, signed string, signature []byte) bool {
	digest := []byte(signed)
	if a.hash != 0 {
		h := a.hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		// r and s, each exactly as wide as the curve (RFC 7518 section 3.4).
		n := (public.Curve.Params().BitSize + 7) / 8
		if len(signature) != 2*n {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])
		return ecdsa.Verify(public, digest, r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(public, digest, signature)
	case *rsa.PublicKey:
		if a.pss {
			options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return rsa.VerifyPSS(public, a.hash, digest, signature, options) == nil
		}
		return rsa.VerifyPKCS1v15(public, a.hash, digest, signature) == nil
	}
	return false
}
