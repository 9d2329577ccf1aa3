package keys

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/lestrrat-go/jwx/v2/jws"
)

// signer makes compact JWS (RFC 7515 section 7.1) with one key. Header and key
// ID belong to it, so that no rotation can part them.
type signer struct {
	key    *Key
	method jws.Signer
	prefix string // the encoded header and its dot
}

func newSigner(k *Key) (*signer, error) {
	method, err := jws.NewSigner(k.alg)
	if err != nil {
		return nil, fmt.Errorf("no signer for %s", k.alg)
	}
	header := object([]member{{"alg", k.alg.String()}, {"kid", k.id}, {"typ", "JWT"}})
	return &signer{key: k, method: method, prefix: base64url(header) + "."}, nil
}

// sign never panics: a request must not end the process. What was panicked with
// is not repeated, for nobody knows what it holds.
func (s *signer) sign(ctx context.Context, payload []byte) (token string, err error) {
	defer func() {
		if p := recover(); p != nil {
			token, err = "", fmt.Errorf("signing with key %s: panic (%T)", s.key.id, p)
		}
	}()
	text := make([]byte, 0, len(s.prefix)+base64.RawURLEncoding.EncodedLen(len(payload))+signatureRoom)
	text = append(text, s.prefix...)
	text = base64.RawURLEncoding.AppendEncode(text, payload)
	signature, err := s.signature(ctx, text)
	if err != nil {
		return "", fmt.Errorf("signing with key %s: %w", s.key.id, err)
	}
	text = append(text, '.')
	return string(base64.RawURLEncoding.AppendEncode(text, signature)), nil
}

// signature signs with the private half, wherever it is. A key in memory needs
// none of the care that a module does: it proved itself when it was loaded.
func (s *signer) signature(ctx context.Context, text []byte) ([]byte, error) {
	if s.key.external != nil {
		return s.key.external().sign(ctx, s.method, text)
	}
	signature, err := s.method.Sign(text, opaque(s.key.secret))
	if err != nil {
		return nil, errors.New("the key failed to sign")
	}
	return signature, nil
}

// signatureRoom holds the dot and an encoded signature of all but RSA keys.
const signatureRoom = 1 + (2*66*8+5)/6

// opaque shows a private key as nothing but a [crypto.Signer]. Given the key
// itself, the library would copy it for each signature.
type opaque func() crypto.Signer

func (o opaque) Public() crypto.PublicKey { return o().Public() }

func (o opaque) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return o().Sign(rand, digest, opts)
}
