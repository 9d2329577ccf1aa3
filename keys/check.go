package keys

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

const (
	minRSABits = 2048
	maxRSABits = 8192 // more costs verifiers more than a request is worth

	// minRSAExponent excludes the small exponents that have a history of
	// forgeries, and that several verifiers refuse.
	minRSAExponent = 65537

	supported = "use P-256, P-384, P-521, Ed25519 or RSA of 2048 to 8192 bits (`privyseal keys generate` makes a P-256 key)"
)

// checkStrength refuses RSA keys that libraries take and that nobody should.
// Of other kinds, describe knows the good ones.
func checkStrength(public crypto.PublicKey) error {
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil
	}
	if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return fmt.Errorf("RSA key of %d bits: %s", bits, supported)
	}
	if key.E < minRSAExponent || key.E%2 == 0 {
		return errors.New("RSA key with a public exponent that is even or below 65537: make a new key")
	}
	return nil
}

// reparse reads the published form of the key with a second implementation.
func (k *Key) reparse() (crypto.PublicKey, error) {
	parsed, err := jwk.ParseKey(k.jwk)
	if err != nil {
		return nil, errors.New("the key's published form cannot be read back: make a new key")
	}
	var public crypto.PublicKey
	sum, sumErr := parsed.Thumbprint(crypto.SHA256)
	if err := parsed.Raw(&public); err != nil || sumErr != nil || hex.EncodeToString(sum) != k.id {
		return nil, errors.New("the key's published form is not the key: make a new key")
	}
	return public, nil
}

// prove signs a probe and verifies it with the published form of the key.
func (k *Key) prove(ctx context.Context) error {
	signer, err := newSigner(k)
	if err != nil {
		return err
	}
	probe := sha256.Sum256([]byte(k.id))
	token, err := signer.sign(ctx, probe[:])
	if err != nil {
		return err
	}
	verifier, err := jws.NewVerifier(k.alg)
	if err != nil {
		return fmt.Errorf("no verifier for %s", k.alg)
	}
	end := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	if err != nil || verifier.Verify([]byte(token[:end]), signature, k.public) != nil {
		return errors.New("the key's public half does not verify what its private half signs: make a new key")
	}
	return nil
}
