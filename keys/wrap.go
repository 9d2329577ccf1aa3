package keys

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
)

// Wrapper encrypts keys with a key-encryption key (SP 800-57 part 1 section
// 5.1.1) that the store of the document does not hold. Both methods take 32
// bytes of key and honour their contexts. The additional data is authenticated:
// what was wrapped with one cannot be unwrapped with another.
type Wrapper interface {
	Wrap(ctx context.Context, key, additional []byte) (wrapped []byte, err error)
	Unwrap(ctx context.Context, wrapped, additional []byte) (key []byte, err error)
}

const (
	keyEncryptionKeyBytes = 32
	maxKeyEncryptionKeys  = 8

	makeKeyFile = "make one with `head -c 32 /dev/urandom | base64`"
)

// fileKeys wraps with the first of its keys (AES-256-GCM) and unwraps with any.
// The keys are in closures, which printers do not look into.
type fileKeys []func() cipher.AEAD

// NewKeyFile returns the wrapper for the content of a file with a key-encryption
// key: 32 bytes in base64 or hex, or as they are. A text may have more lines: the
// first key wraps, all unwrap. So a key-encryption key is replaced in three
// steps: put the new one on the first line on every replica; have the document
// written again, as every rotation does; take the old one away.
func NewKeyFile(content []byte) (Wrapper, error) {
	lines := [][]byte{content}
	if len(content) != keyEncryptionKeyBytes {
		lines = bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	}
	if len(lines) > maxKeyEncryptionKeys {
		return nil, fmt.Errorf("more than %d key-encryption keys: remove old ones", maxKeyEncryptionKeys)
	}
	var w fileKeys
	for i, line := range lines {
		key, err := parseKeyEncryptionKey(line)
		if err != nil {
			return nil, fmt.Errorf("line %d of %d: %w", i+1, len(lines), err)
		}
		w = append(w, key)
	}
	return w, nil
}

func parseKeyEncryptionKey(line []byte) (func() cipher.AEAD, error) {
	key := line
	if len(line) != keyEncryptionKeyBytes {
		key = decodeKey(string(bytes.TrimSpace(line)))
	}
	if len(key) != keyEncryptionKeyBytes {
		return nil, errors.New("not a key-encryption key of 32 bytes in base64 or hex: " + makeKeyFile)
	}
	if bytes.Count(key, key[:1]) == len(key) {
		return nil, errors.New("a key-encryption key of one repeated byte is no secret: " + makeKeyFile)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errors.New("the key-encryption key cannot be used")
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, errors.New("the key-encryption key cannot be used")
	}
	return func() cipher.AEAD { return aead }, nil
}

// decodeKey reads base64 in either alphabet, padded or not, or hex; nil is
// neither.
func decodeKey(text string) []byte {
	if key, err := hex.DecodeString(text); err == nil {
		return key
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if key, err := encoding.DecodeString(text); err == nil {
			return key
		}
	}
	return nil
}

// Wrap implements [Wrapper].
func (w fileKeys) Wrap(_ context.Context, key, additional []byte) ([]byte, error) {
	return w[0]().Seal(nil, nil, key, additional), nil
}

// Unwrap implements [Wrapper].
func (w fileKeys) Unwrap(_ context.Context, wrapped, additional []byte) ([]byte, error) {
	for _, aead := range w {
		if key, err := aead().Open(nil, nil, wrapped, additional); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("wrapped with another key-encryption key than those in the key file, or damaged")
}
