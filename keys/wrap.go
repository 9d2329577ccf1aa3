package keys

import "context"

// Wrapper encrypts keys with a key-encryption key (SP 800-57 part 1 section
// 5.1.1) that the store of the document does not hold. Both methods take 32
// bytes of key and honour their contexts. The additional data is authenticated:
// what was wrapped with one cannot be unwrapped with another.
type Wrapper interface {
	Wrap(ctx context.Context, key, additional []byte) (wrapped []byte, err error)
	Unwrap(ctx context.Context, wrapped, additional []byte) (key []byte, err error)
}
