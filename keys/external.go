package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lestrrat-go/jwx/v2/jws"
)

const (
	// externalTimeout bounds a signature where the request allows longer.
	externalTimeout = time.Second
	// externalCalls is how many calls of one key may be under way. A call that
	// never returns is never replaced, so this bounds what a module that hangs
	// costs.
	externalCalls = 16
)

// external is a private key that lives in a cryptographic module. Nothing of
// the module's is taken on trust: it may panic, hang, or sign anything with
// anything.
type external struct {
	private crypto.Signer
	public  crypto.PublicKey // as published; the module is asked for it once
	calls   calls
}

// newExternalKey returns the key whose private half is in a cryptographic
// module. The module has answered for the public key, and signed a probe with
// it, before ctx ended. Load a key once: each result allows for its own
// [externalCalls].
func newExternalKey(ctx context.Context, alg string, private crypto.Signer) (*Key, error) {
	e := &external{private: private, calls: make(calls, externalCalls)}
	ctx, cancel := context.WithTimeout(ctx, externalTimeout)
	defer cancel()
	k, err := bounded(ctx, e.calls, func() (*Key, error) { return newPublicKeyFor(alg, private.Public()) })
	if err != nil {
		return nil, fmt.Errorf("%s key of the cryptographic module: %w", alg, err)
	}
	e.public = k.public
	k.external = func() *external { return e }
	if err := k.prove(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// sign has a method of the JOSE library sign a text, and returns the signature
// in its JWS form. Errors hold nothing that the module said.
func (e *external) sign(ctx context.Context, method jws.Signer, text []byte) ([]byte, error) {
	c := &call{ctx: ctx, external: e}
	signature, err := method.Sign(text, c)
	if c.err != nil {
		return nil, c.err
	}
	if err != nil {
		return nil, errors.New("the signature of the cryptographic module cannot be encoded")
	}
	if want := signatureSize(e.public); len(signature) != want {
		return nil, fmt.Errorf("a signature of %d bytes, not %d", len(signature), want)
	}
	return signature, nil
}

// call is the private key for the length of one signature, because
// [crypto.Signer] has no place for a context.
type call struct {
	ctx      context.Context
	external *external
	err      error
}

func (c *call) Public() crypto.PublicKey { return c.external.public }

// Sign returns what is a signature of the digest beyond doubt. The library does
// not look: too wide a number makes it panic, and bytes after the signature are
// dropped.
func (c *call) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	theirs := bytes.Clone(digest) // they may write to it, and for longer than we wait
	ctx, cancel := context.WithTimeout(c.ctx, externalTimeout)
	defer cancel()
	signature, err := bounded(ctx, c.external.calls, func() ([]byte, error) {
		signature, err := c.external.private.Sign(rand.Reader, theirs, opts)
		if err != nil {
			return nil, refusal(err)
		}
		return signature, verify(c.external.public, digest, signature, opts)
	})
	c.err = err
	return signature, err
}

// refusal is a module's error in our words, with its number if it has one:
// numbers hold no secrets.
func refusal(err error) error {
	var numbered interface{ Code() uint }
	if errors.As(err, &numbered) {
		return fmt.Errorf("the cryptographic module refused to sign: error %#x", numbered.Code())
	}
	return errors.New("the cryptographic module refused to sign")
}

// calls has room for as many calls of a module as may be under way. Each is in
// it until it returns.
type calls chan struct{}

// bounded calls a module on a goroutine of its own, which is given up, but
// still counted, when ctx ends. A panic is an error that does not repeat it.
func bounded[T any](ctx context.Context, slots calls, f func() (T, error)) (T, error) {
	var none T
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return none, fmt.Errorf("the cryptographic module is overloaded or hangs: %d calls are under way and none has ended: %w", cap(slots), ctx.Err())
	}
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		a := answer{err: errors.New("the cryptographic module ended the call without an answer")}
		defer func() {
			if p := recover(); p != nil {
				a = answer{err: fmt.Errorf("the cryptographic module failed: panic (%T)", p)}
			}
			<-slots
			answers <- a
		}()
		a.value, a.err = f()
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return none, fmt.Errorf("the cryptographic module has not answered in time: %w", ctx.Err())
	}
}

// verify verifies a signature in the form that a [crypto.Signer] gives it.
func verify(public crypto.PublicKey, digest, signature []byte, opts crypto.SignerOpts) error {
	var valid bool
	switch public := public.(type) {
	case *ecdsa.PublicKey: // strictly one ASN.1 structure, and numbers within the order of the curve
		valid = ecdsa.VerifyASN1(public, digest, signature)
	case ed25519.PublicKey:
		valid = ed25519.Verify(public, digest, signature)
	case *rsa.PublicKey:
		if pss, ok := opts.(*rsa.PSSOptions); ok { // which say how long the salt is (RFC 7518 section 3.5)
			valid = rsa.VerifyPSS(public, pss.Hash, digest, signature, pss) == nil
		} else {
			valid = rsa.VerifyPKCS1v15(public, opts.HashFunc(), digest, signature) == nil
		}
	}
	if !valid {
		return fmt.Errorf("the cryptographic module returned %d bytes that are no signature by its key of what it was given", len(signature))
	}
	return nil
}

// signatureSize is the length of a signature in bytes (RFC 7518 sections 3.3 to
// 3.5, RFC 8037 section 3.1).
func signatureSize(public crypto.PublicKey) int {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		return 2 * ((public.Params().BitSize + 7) / 8)
	case *rsa.PublicKey:
		return public.Size()
	}
	return ed25519.SignatureSize
}
