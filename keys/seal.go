package keys

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"
)

// protection is what a ring's data key does: it seals private keys and
// authenticates documents. The data key itself stays in its closures. Each ring
// has one, wrapped in its document, so that a key-encryption key which is far
// away is asked when a replica starts and when a document is written, and never
// in between.
type protection struct {
	dataKey func() []byte
	seal    func(plain, additional []byte) []byte
	open    func(sealed, additional []byte) ([]byte, error)
	mac     func(document []byte) []byte
}

const dataKeyBytes = 32

// newProtection derives separate keys for sealing (AES-256-GCM, SP 800-38D) and
// authenticating (HMAC-SHA-256) from a data key (RFC 5869).
func newProtection(dataKey []byte) (*protection, error) {
	if len(dataKey) != dataKeyBytes {
		return nil, errors.New("the data key has not 32 bytes: the document is damaged")
	}
	derive := func(purpose string) []byte {
		key, err := hkdf.Key(sha256.New, dataKey, nil, "privyseal keyring "+purpose, 32)
		if err != nil {
			panic(err) // 32 bytes can be had
		}
		return key
	}
	block, err := aes.NewCipher(derive("seal"))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	macKey := derive("mac")
	return &protection{
		dataKey: func() []byte { return dataKey },
		seal:    func(plain, additional []byte) []byte { return aead.Seal(nil, nil, plain, additional) },
		open:    func(sealed, additional []byte) ([]byte, error) { return aead.Open(nil, nil, sealed, additional) },
		mac: func(document []byte) []byte {
			h := hmac.New(sha256.New, macKey)
			h.Write(document)
			return h.Sum(nil)
		},
	}, nil
}

// makeProtection makes the data key of a new ring.
func makeProtection() (*protection, error) {
	key := make([]byte, dataKeyBytes)
	rand.Read(key) // never fails
	return newProtection(key)
}

// unwrap returns the protection of a document: nil if it has none, and none is
// configured.
func unwrap(ctx context.Context, w Wrapper, d Document) (*protection, error) {
	switch {
	case w == nil && d.dataKey == nil:
		return nil, nil
	case w == nil:
		return nil, errors.New("the document is encrypted: say with what, in keys.encryption")
	case d.dataKey == nil:
		return nil, errors.New("the document is not encrypted, although keys.encryption is configured: somebody has replaced it, or it was begun with encryption: none; in that case begin a new one in another place")
	}
	key, err := w.Unwrap(ctx, d.dataKey, aboutDataKey(d.Ring))
	if err != nil {
		return nil, err
	}
	return newProtection(key)
}

// aboutDataKey and aboutPrivateKey are the additional data: what was sealed for
// one place opens in no other.
func aboutDataKey(ring string) []byte { return []byte("privyseal data key " + ring) }

func aboutPrivateKey(ring, kid, alg string) []byte {
	return []byte(strings.Join([]string{"privyseal private key", ring, kid, alg}, " "))
}
