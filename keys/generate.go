package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
)

// Generate makes a new key for ES256, ES384, ES512, EdDSA (Ed25519), RS256 or
// PS256 (2048 bits, because every assertion carries the signature). ES256 is
// what every verifier knows. A nil random is [rand.Reader]; crypto/ecdsa and
// crypto/rsa use the system's randomness whatever is given.
func Generate(alg string, random io.Reader) (*Key, error) {
	if random == nil {
		random = rand.Reader
	}
	private, err := generate(alg, random)
	if err != nil {
		return nil, err
	}
	return newKeyFor(alg, private)
}

func generate(alg string, random io.Reader) (private crypto.Signer, err error) {
	switch alg {
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), random)
	case "ES384":
		private, err = ecdsa.GenerateKey(elliptic.P384(), random)
	case "ES512":
		private, err = ecdsa.GenerateKey(elliptic.P521(), random)
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(random)
	case "RS256", "PS256":
		private, err = rsa.GenerateKey(random, minRSABits)
	default:
		return nil, fmt.Errorf("unknown algorithm %q: use ES256, ES384, ES512, EdDSA, RS256 or PS256", alg)
	}
	if err != nil {
		return nil, errors.New("no randomness to make a key from")
	}
	return private, nil
}
