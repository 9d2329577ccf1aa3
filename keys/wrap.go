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

	makeKeyFile = "make one with `head -c 32 /dev/urandom | base64 > FILE`"
)

// fileKeys wraps with the first of its keys (AES-256-GCM) and unwraps with any.
// The keys are in closures, which printers do not look into.
type fileKeys []func() cipher.AEAD

// NewKeyFile returns the wrapper for the content of a file with a key-encryption
// key: exactly 32 bytes, or 32 bytes in base64 (either alphabet, padded or not)
// or hex. 32 characters of text as they are, a password or hex of half a key, are
// refused, and so is one repeated byte. Errors show nothing of the content.
//
// A text may have up to 8 lines: the first key wraps, all unwrap. So a
// key-encryption key is replaced in three steps. Add the new one as the last
// line on every replica: whoever wraps with it first, all can unwrap. Move it to
// the first line, and have the document written again, as every rotation does.
// Remove the old line once no document that is still needed, backups included,
// was wrapped with it.
func NewKeyFile(content []byte) (Wrapper, error) {
	if len(content) == keyEncryptionKeyBytes {
		if !bytes.ContainsFunc(content, notText) {
			return nil, errors.New("32 characters of text, hex of 16 bytes perhaps, are not a key-encryption key: " + makeKeyFile)
		}
		key, err := newFileKey(content)
		if err != nil {
			return nil, err
		}
		return fileKeys{key}, nil
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	if len(lines) > maxKeyEncryptionKeys {
		return nil, fmt.Errorf("more than %d lines with key-encryption keys: remove old ones", maxKeyEncryptionKeys)
	}
	var w fileKeys
	for i, line := range lines {
		key, err := newFileKey(decodeKey(string(bytes.TrimSpace(line))))
		if err != nil {
			return nil, fmt.Errorf("line %d of %d: %v", i+1, len(lines), err)
		}
		w = append(w, key)
	}
	return w, nil
}

func newFileKey(key []byte) (func() cipher.AEAD, error) {
	switch {
	case len(key) != keyEncryptionKeyBytes:
		return nil, errors.New("not a key-encryption key of 32 bytes in base64 or hex: " + makeKeyFile)
	case bytes.Count(key, key[:1]) == len(key):
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

// notText reports what no typed text holds. All of 32 random bytes are text once
// in 10^13 times.
func notText(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r > '~' }

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
	return nil, errors.New("wrapped with another key-encryption key than those in the key file, or damaged: an older key is a further line of that file")
}
