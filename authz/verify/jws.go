package verify

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	maxTokenBytes = 64 << 10 // all headers of a request are at most this
	maxKeyIDBytes = 256
)

// compact is a parsed, unverified JWS in compact serialization (RFC 7515
// section 7.1).
type compact struct {
	alg, kid, typ      string
	signed             string // the JWS signing input
	payload, signature []byte
}

// parseCompact accepts exactly one spelling of a token, so that the text
// identifies it.
func parseCompact(jws string, algorithms []string) (compact, error) {
	if len(jws) > maxTokenBytes {
		return compact{}, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, maxTokenBytes)
	}
	if strings.Count(jws, ".") != 2 {
		return compact{}, fmt.Errorf("%w: not three parts with two dots", ErrMalformed)
	}
	last := strings.LastIndexByte(jws, '.')
	first := strings.IndexByte(jws, '.')
	t := compact{signed: jws[:last]}
	header, err := decodeBase64(jws[:first])
	if err != nil {
		return compact{}, fmt.Errorf("%w: header: %v", ErrMalformed, err)
	}
	if t.payload, err = decodeBase64(jws[first+1 : last]); err != nil {
		return compact{}, fmt.Errorf("%w: payload: %v", ErrMalformed, err)
	}
	if t.signature, err = decodeBase64(jws[last+1:]); err != nil {
		return compact{}, fmt.Errorf("%w: signature: %v", ErrMalformed, err)
	}
	if err := t.readHeader(header, algorithms); err != nil {
		return compact{}, fmt.Errorf("%w: header: %v", ErrMalformed, err)
	}
	return t, nil
}

// decodeBase64 decodes base64url without padding in its canonical form. The
// decoder of the standard library skips line ends, even when strict.
func decodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line end in base64url")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("not canonical base64url without padding")
	}
	return b, nil
}

func (t *compact) readHeader(b []byte, algorithms []string) error {
	header, err := decodeObject(b)
	if err != nil {
		return err
	}
	// Extensions that must be understood (crit, b64), a key or the address of a
	// key that the token brings along, and compression.
	for _, name := range []string{"crit", "b64", "jwk", "jku", "x5u", "x5c", "zip"} {
		if _, ok := header[name]; ok {
			return errors.New("member " + name + " is not accepted")
		}
	}
	for name, target := range map[string]*string{"alg": &t.alg, "kid": &t.kid, "typ": &t.typ} {
		v, ok := header[name]
		if !ok {
			continue
		}
		if *target, ok = v.(string); !ok || *target == "" {
			return errors.New("member " + name + " is not a text")
		}
	}
	if !slices.Contains(algorithms, t.alg) {
		return errors.New("algorithm is not accepted")
	}
	if len(t.kid) > maxKeyIDBytes || strings.ContainsFunc(t.kid, notPrintable) {
		return fmt.Errorf("kid is not at most %d bytes of printable ASCII", maxKeyIDBytes)
	}
	return nil
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }
