package keys

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"

	"github.com/lestrrat-go/jwx/v2/jwa"
)

// Key is a signing key, or the public half of one. It is immutable and safe for
// concurrent use. Printing, logging or encoding it in any way shows its
// algorithm and key ID only.
type Key struct {
	id     string
	alg    jwa.SignatureAlgorithm
	public crypto.PublicKey // shares no memory with the private key
	jwk    []byte

	// The private half is one of these, or in a public half none. They are
	// closures, because printers follow pointers.
	secret   func() crypto.Signer
	external func() *external
}

// newPrivateKey checks a private key and proves that its published form
// verifies what it signs. Its algorithm is the usual one of its kind.
func newPrivateKey(private crypto.Signer) (*Key, error) { return newKeyFor("", private) }

// newKeyFor is newPrivateKey for a named algorithm.
func newKeyFor(alg string, private crypto.Signer) (*Key, error) {
	k, err := newPublicKeyFor(alg, private.Public())
	if err != nil {
		return nil, err
	}
	k.secret = func() crypto.Signer { return private }
	if err := k.prove(context.Background()); err != nil {
		return nil, err
	}
	return k, nil
}

func newPublicKey(public crypto.PublicKey) (*Key, error) { return newPublicKeyFor("", public) }

func newPublicKeyFor(alg string, public crypto.PublicKey) (*Key, error) {
	if err := checkStrength(public); err != nil {
		return nil, err
	}
	d, err := describe(public)
	if err != nil {
		return nil, err
	}
	if d.alg, err = d.algorithm(alg); err != nil {
		return nil, err
	}
	k := &Key{id: d.thumbprint(), alg: d.alg}
	k.jwk = d.jwk(k.id)
	if k.public, err = k.reparse(); err != nil {
		return nil, err
	}
	return k, nil
}

// KeyID returns the kid: the RFC 7638 SHA-256 thumbprint in lower-case hex.
func (k *Key) KeyID() string { return k.id }

// Algorithm returns the JWS algorithm (RFC 7518 section 3.1) the key signs
// with: ES256, ES384, ES512, EdDSA, RS256 or PS256.
func (k *Key) Algorithm() string { return k.alg.String() }

// Private reports whether the key can sign.
func (k *Key) Private() bool { return k.secret != nil || k.external != nil }

// Public returns the public key: *ecdsa.PublicKey, ed25519.PublicKey or
// *rsa.PublicKey. It is not to be changed.
func (k *Key) Public() crypto.PublicKey { return k.public }

// MarshalPEM returns the private key as a PEM block of PKCS#8. No other
// function lets a private key out of this package. PEM does not say which
// algorithm an RSA key is for: [Parse] makes an RS256 key of a PS256 key. It is
// an error for a public half, and for a key of a cryptographic module.
func (k *Key) MarshalPEM() ([]byte, error) {
	if !k.Private() {
		return nil, errors.New("key " + k.id + " is a public key: it has no private half to write")
	}
	if k.external != nil {
		return nil, errors.New("key " + k.id + " lives in a cryptographic module: it has no private half to write")
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.secret())
	if err != nil {
		return nil, errors.New("key " + k.id + " cannot be written as PKCS#8")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// MarshalPublicPEM returns the public key as a PEM block (RFC 7468 section 13).
func (k *Key) MarshalPublicPEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		return nil, errors.New("key " + k.id + " cannot be written as a public key")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// publicHalf returns the key without its private half.
func (k *Key) publicHalf() *Key {
	half := *k
	half.secret, half.external = nil, nil
	return &half
}
