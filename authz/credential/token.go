package credential

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// MaxTokenBytes bounds a token, and the text of any source's claims.
const MaxTokenBytes = 16 << 10

// token is a parsed compact JWS (RFC 7515 section 7.1) of which nothing is
// verified yet.
type token struct {
	raw      string
	alg, kid string
	payload  []byte
	claims   map[string]any
	elements int
}

// parseToken reads a token of at most [MaxTokenBytes]. Errors never hold any of
// it but the names of members.
func parseToken(raw string) (*token, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || parts[2] == "" {
		return nil, errors.New("token is not three parts with a signature")
	}
	header, err := decodePart(parts[0])
	if err != nil {
		return nil, fmt.Errorf("token header %v", err)
	}
	t := &token{raw: raw}
	if err := t.readHeader(header); err != nil {
		return nil, err
	}
	if t.payload, err = decodePart(parts[1]); err == nil {
		t.claims, t.elements, err = decodeObject(t.payload)
	}
	if err != nil {
		return nil, fmt.Errorf("token payload %v", err)
	}
	return t, nil
}

// decodePart decodes base64url. The key set is stricter about its spelling, and
// what it verified is compared with what was read here.
func decodePart(part string) ([]byte, error) {
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil, errors.New("is not base64url")
	}
	return data, nil
}

// readHeader reads what the source decides by: the rest of the JOSE header is
// for the key set, which refuses extensions (crit) and keys that a token brings
// along.
func (t *token) readHeader(data []byte) error {
	header, _, err := decodeObject(data)
	if err != nil {
		return fmt.Errorf("token header %v", err)
	}
	var ok bool
	if t.alg, ok = header["alg"].(string); !ok {
		return errors.New("token header has no alg")
	}
	if kid, present := header["kid"]; present {
		if t.kid, ok = kid.(string); !ok {
			return errors.New("token header's kid is not a string")
		}
	}
	if typ, present := header["typ"]; present {
		if s, ok := typ.(string); !ok || !accessOrIdentity(s) {
			return errors.New("token header's typ is neither JWT nor at+jwt")
		}
	}
	return nil
}

// accessOrIdentity tells tokens that identify a caller from those that do not,
// such as logout tokens (RFC 8725 section 3.11). Media types are compared
// without case, and application/ may be left out (RFC 7515 section 4.1.9).
func accessOrIdentity(typ string) bool {
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	return typ == "jwt" || typ == "at+jwt"
}
