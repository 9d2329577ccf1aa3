//go:build pkcs11

package pkcs11

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ThalesGroup/crypto11"
)

const (
	referenceSize = 16
	rsaBits       = 2048

	// closeWait is how long Close waits for calls that are under way.
	closeWait = 5 * time.Second
)

// Module is a token that this process is logged in to. It is safe for concurrent
// use, Close aside.
type Module struct {
	token *crypto11.Context
	close sync.Once
}

// Generate makes a key pair in the token for ES256, ES384, ES512, RS256 or PS256.
// A call of the library cannot be interrupted: ctx counts before it only.
func (m *Module) Generate(ctx context.Context, alg string) (private crypto.Signer, reference []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("making a key in the token: %w", err)
	}
	reference = make([]byte, referenceSize)
	rand.Read(reference) // never fails
	if err := m.generate(alg, reference); err != nil {
		return nil, nil, fmt.Errorf("making a %s key in the token: %w", alg, err)
	}
	if private, err = m.Find(ctx, reference); err != nil { // as every replica will
		return nil, nil, err
	}
	return private, reference, nil
}

func (m *Module) generate(alg string, id []byte) error {
	public, private, err := templates(id)
	if err != nil {
		return err
	}
	switch alg {
	case "ES256":
		_, err = m.token.GenerateECDSAKeyPairWithAttributes(public, private, elliptic.P256())
	case "ES384":
		_, err = m.token.GenerateECDSAKeyPairWithAttributes(public, private, elliptic.P384())
	case "ES512":
		_, err = m.token.GenerateECDSAKeyPairWithAttributes(public, private, elliptic.P521())
	case "RS256", "PS256":
		_, err = m.token.GenerateRSAKeyPairWithAttributes(public, private, rsaBits)
	case "EdDSA":
		return errors.New("EdDSA keys are not supported in a cryptographic module: use ES256")
	default:
		return errors.New("unknown algorithm: use ES256, ES384, ES512, RS256 or PS256")
	}
	if err != nil {
		return returned(err)
	}
	return nil
}

// templates say of a key pair that it is for signatures only, and that its
// private half stays where it is made.
func templates(id []byte) (public, private crypto11.AttributeSet, err error) {
	if public, err = crypto11.NewAttributeSetWithIDAndLabel(id, label(id)); err != nil {
		return nil, nil, errors.New("the token's attributes cannot be encoded")
	}
	private = public.Copy()
	for _, a := range []struct {
		set       crypto11.AttributeSet
		attribute crypto11.AttributeType
		value     bool
	}{
		{public, crypto11.CkaVerify, true},
		{public, crypto11.CkaEncrypt, false},
		{public, crypto11.CkaWrap, false},
		{private, crypto11.CkaPrivate, true},
		{private, crypto11.CkaSensitive, true},
		{private, crypto11.CkaExtractable, false},
		{private, crypto11.CkaSign, true},
		{private, crypto11.CkaDecrypt, false},
		{private, crypto11.CkaUnwrap, false},
	} {
		if err := a.set.Set(a.attribute, a.value); err != nil {
			return nil, nil, errors.New("the token's attributes cannot be encoded")
		}
	}
	return public, private, nil
}

func label(id []byte) []byte { return []byte("privyseal " + hex.EncodeToString(id)) }

// Find returns the key of a reference from Generate. It is an error if the token
// has no such key, or several, or one that could leave it. A call of the library
// cannot be interrupted: ctx counts before it only.
func (m *Module) Find(ctx context.Context, reference []byte) (crypto.Signer, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("finding a key in the token: %w", err)
	}
	if len(reference) != referenceSize {
		return nil, fmt.Errorf("a reference to a key of %d bytes: those of this module have %d", len(reference), referenceSize)
	}
	found, err := m.token.FindKeyPairs(reference, label(reference))
	if err != nil {
		return nil, fmt.Errorf("finding key %x in the token: %w", reference, returned(err))
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("the token has %d key pairs labelled %q, not one: is it the token that all replicas use, and was the key deleted?", len(found), label(reference))
	}
	if err := m.checkSealed(found[0]); err != nil {
		return nil, err
	}
	return signer{found[0]}, nil
}

// checkSealed refuses a key that can leave the token, whatever was asked for.
func (m *Module) checkSealed(key crypto11.Signer) error {
	attributes, err := m.token.GetAttributes(key, []crypto11.AttributeType{crypto11.CkaSensitive, crypto11.CkaExtractable})
	if err != nil {
		return fmt.Errorf("asking the token whether the key can leave it: %w", returned(err))
	}
	if !isTrue(attributes[crypto11.CkaSensitive]) || isTrue(attributes[crypto11.CkaExtractable]) {
		return errors.New("the private key can leave the token (CKA_SENSITIVE or CKA_EXTRACTABLE): it is not used, delete it")
	}
	return nil
}

// isTrue reads a CK_BBOOL.
func isTrue(a *crypto11.Attribute) bool { return a != nil && len(a.Value) == 1 && a.Value[0] != 0 }

// Close logs out and unloads the library, if no other Module uses it. It waits up
// to 5 seconds for calls that are under way; then it is an error, and what they
// use stays open. Further calls do nothing.
func (m *Module) Close() (err error) {
	m.close.Do(func() {
		closed := make(chan error, 1)
		go func() { closed <- m.token.Close() }()
		select {
		case err = <-closed:
		case <-time.After(closeWait):
			err = errors.New("closing the token: calls of the PKCS#11 library are still under way, it hangs")
		}
	})
	return err
}

// signer is a private key in the token.
type signer struct{ key crypto11.Signer }

// Public returns the public key, which was read when the key was found.
func (s signer) Public() crypto.PublicKey { return s.key.Public() }

// Sign signs in the token, with randomness of the token.
func (s signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := s.key.Sign(random, digest, opts)
	if err != nil {
		return nil, fmt.Errorf("signing in the token: %w", returned(err))
	}
	return signature, nil
}
