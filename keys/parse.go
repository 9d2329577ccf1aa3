package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// maxText bounds the text of signing keys, in bytes.
const maxText = 64 << 10

// ParseOptions are for [Parse]. The zero value is the safe one.
type ParseOptions struct {
	// AllowSample lets the sample key of Pomerium's documentation through,
	// which everybody can sign with. It is for services that only this machine
	// can reach; a [Ring] that is given the key warns.
	AllowSample bool
}

// Parse reads signing keys: PEM, or standard padded base64 of PEM, at most 64
// KiB. White space around it, line breaks inside base64 and a byte order mark
// do not matter.
//
// Private keys are SEC1, PKCS#1 or PKCS#8, in any mix; the first one signs. A
// PUBLIC KEY after it is published and never signs. EC PARAMETERS, as `openssl
// ecparam -genkey` writes them, are skipped. Everything else is refused: other
// blocks, broken blocks, encrypted keys, unsupported or damaged keys, a key that
// is there twice. Text between blocks is a comment.
//
// Errors name the block by number and type and never hold key material.
func Parse(text []byte, o ParseOptions) (*Set, error) {
	rest, err := decodeText(text)
	if err != nil {
		return nil, err
	}
	set := &Set{}
	for number := 1; ; number++ {
		block, after := pem.Decode(rest)
		read := rest[:len(rest)-len(after)]
		if block == nil {
			read = rest
		}
		// The decoder passes over what it cannot read. If that were a key, the
		// one after it would sign.
		if begins := bytes.Count(read, []byte("-----BEGIN")); begins > 1 || begins == 1 && block == nil {
			return nil, fmt.Errorf("block %d is not PEM: its BEGIN and END lines must agree and stand alone, with base64 between them (where line breaks get lost, give base64 of the whole text)", number)
		}
		if block == nil {
			break
		}
		if err := set.addBlock(block, o); err != nil {
			return nil, fmt.Errorf("block %d (%s): %v", number, blockType(block), err)
		}
		rest = after
	}
	if len(set.keys) == 0 {
		return nil, errors.New("no private key: expected PEM, or base64 of it, such as `privyseal keys generate` writes")
	}
	return set, nil
}

// decodeText returns the PEM text.
func decodeText(text []byte) ([]byte, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("more than %d bytes of signing keys", maxText)
	}
	text = trim(text)
	if len(text) == 0 {
		return nil, errors.New("no signing key: the text is empty")
	}
	if decoded, err := base64.StdEncoding.AppendDecode(nil, text); err == nil {
		return trim(decoded), nil
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if _, err := encoding.AppendDecode(nil, text); err == nil {
			return nil, errors.New("this is URL-safe or unpadded base64, or its end is missing: standard base64 is needed, as `privyseal keys encode` and `base64` write it")
		}
	}
	return text, nil
}

func trim(text []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(text), []byte("\ufeff")))
}

func (s *Set) addBlock(block *pem.Block, o ParseOptions) error {
	if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
		return errors.New(encryptedHint)
	}
	var key *Key
	var err error
	switch block.Type {
	case "EC PARAMETERS":
		return nil
	case "EC PRIVATE KEY", "RSA PRIVATE KEY", "PRIVATE KEY":
		key, err = parsePrivate(block.Bytes)
	case "PUBLIC KEY":
		key, err = parsePublic(block.Bytes)
	default:
		return errors.New(blockHint(block.Type))
	}
	if err != nil {
		return err
	}
	return s.add(key, o)
}

const encryptedHint = "the key is encrypted: decrypt it with `openssl pkey -in FILE -out keys.pem` and let only its owner read the file"

func blockHint(kind string) string {
	switch kind {
	case "ENCRYPTED PRIVATE KEY":
		return encryptedHint
	case "CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE":
		return "certificates do not belong here: leave it out (`openssl x509 -pubkey -noout -in FILE` writes its public key)"
	}
	return "only PRIVATE KEY, EC PRIVATE KEY, RSA PRIVATE KEY and PUBLIC KEY blocks are read: remove it (`openssl pkey -in FILE` may convert it)"
}

// blockType returns the type for an error. It is text like any other: where it
// does not look like a type it may be part of a key.
func blockType(block *pem.Block) string {
	strange := strings.Trim(block.Type, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ") != ""
	if strange || len(block.Type) > 32 {
		return "unknown type"
	}
	return block.Type
}
