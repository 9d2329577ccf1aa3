package keys

import (
	"context"
	"crypto"
)

func newKeyFor(alg string, private crypto.Signer) (*Key, error)    { return newPrivateKey(private) }
func newPublicKeyFor(alg string, p crypto.PublicKey) (*Key, error) { return newPublicKey(p) }
func newExternalKey(_ context.Context, _ string, p crypto.Signer) (*Key, error) {
	return newPrivateKey(p)
}
