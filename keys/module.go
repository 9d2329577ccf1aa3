package keys

import (
	"context"
	"crypto"
)

// Module is a cryptographic module (SP 800-57 part 1) that makes private keys
// and signs with them; they never leave it. All replicas reach the same one.
// Nothing that it does is taken on trust: what it signs is verified before it is
// used, and it may fail, hang or panic. Of the errors of its keys only a number
// is repeated, which one that has a method Code() uint returns.
type Module interface {
	// Generate makes a private key for a JWS algorithm, and returns it and a
	// reference by which every replica finds it again.
	Generate(ctx context.Context, alg string) (private crypto.Signer, reference []byte, err error)
	// Find returns the private key that Generate made.
	Find(ctx context.Context, reference []byte) (crypto.Signer, error)
}
