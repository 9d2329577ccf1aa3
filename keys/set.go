package keys

import (
	"errors"
	"fmt"
	"slices"
)

// maxKeys bounds a key set. Common verifiers read no more.
const maxKeys = 100

// sampleKeyID is the key that Pomerium's documentation prints, private half
// included. Everybody can sign with it.
const sampleKeyID = "e05015c36b1fccdee6ec1c45a4988acafcc1118c5d01e1120ee5be64ba176d22"

// Set is an ordered list of keys, as the operator wrote them: the first one is
// private and signs, the others are published. It is immutable and safe for
// concurrent use; only [Parse] makes one.
type Set struct {
	keys []*Key
}

// Keys returns the keys in order.
func (s *Set) Keys() []*Key { return slices.Clone(s.keys) }

// MarshalJWKS returns the JWK Set (RFC 7517 section 5) of the public halves in
// order.
func (s *Set) MarshalJWKS() []byte { return renderJWKS(s.keys) }

// add refuses a key that may not follow those before it.
func (s *Set) add(k *Key, o ParseOptions) error {
	switch {
	case !k.Private() && len(s.keys) == 0:
		return errors.New("a public key before the first private key: put the key that is to sign first")
	case s.has(k.id):
		return fmt.Errorf("key %s is there twice: remove one of them", k.id)
	case k.id == sampleKeyID && !o.AllowSample:
		return errors.New("this is the sample key from Pomerium's documentation, which everybody can sign with: make one with `privyseal keys generate`")
	case len(s.keys) == maxKeys:
		return fmt.Errorf("more than %d keys, which verifiers would not read: remove old ones", maxKeys)
	}
	s.keys = append(s.keys, k)
	return nil
}

func (s *Set) has(kid string) bool {
	return slices.ContainsFunc(s.keys, func(k *Key) bool { return k.id == kid })
}
