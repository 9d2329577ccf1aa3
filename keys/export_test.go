package keys

import "crypto"

// Thumbprint is the kid that a key would have.
func Thumbprint(public crypto.PublicKey) (string, error) {
	d, err := describe(public)
	return d.thumbprint(), err
}

// FormsOf returns the ways in which printers write bytes.
func FormsOf(secret []byte) []string { return formsOf(secret) }

// PublicJWK is the key as key sets show it.
func (k *Key) PublicJWK() []byte { return k.jwk }
