package login

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// sealer encrypts and authenticates what leaves this process and comes back:
// cookies, and values in a store. Each purpose of each source has keys of its
// own, so that no sealed text passes for another.
type sealer struct{ keys []cipher.AEAD } // the first seals, all open

var errSealed = errors.New("was not sealed with one of the cookie secrets for this purpose, source and host")

// newSealer derives the keys for a purpose of a source, which is described by
// its name, issuer and client: sessions of one provider must not become those
// of another that takes over its name. Nonces are random: one
// secret should seal fewer than 2^32 cookies of a kind before it is replaced
// (NIST SP 800-38D section 8.3).
func newSealer(secrets []string, purpose, source string) (*sealer, error) {
	s := &sealer{}
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, []byte(strings.TrimSpace(secret)), nil, "privyseal login "+purpose+" "+source, 32)
		if err != nil {
			return nil, fmt.Errorf("deriving a cookie key: %v", err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("making a cookie key: %v", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("making a cookie key: %v", err)
		}
		s.keys = append(s.keys, aead)
	}
	return s, nil
}

// seal writes a value as base64url, bound to a context such as the host.
func (s *sealer) seal(v any, context string) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("sealing: %v", err)
	}
	return base64.RawURLEncoding.EncodeToString(s.keys[0].Seal(nil, nil, plain, []byte(context))), nil
}

// open reads what seal wrote. Errors say nothing of the text.
func (s *sealer) open(text, context string, v any) error {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return errSealed
	}
	for _, key := range s.keys {
		if plain, err := key.Open(nil, nil, sealed, []byte(context)); err == nil {
			return json.Unmarshal(plain, v)
		}
	}
	return errSealed
}
