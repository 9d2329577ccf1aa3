//go:build !pkcs11

package pkcs11

import (
	"context"
	"crypto"
	"errors"
)

var errAbsent = errors.New("this binary is built without PKCS#11: build it with -tags pkcs11")

// Module is a token. There is none in a binary without PKCS#11.
type Module struct{}

// Open is an error in a binary without PKCS#11.
func Open(Options) (*Module, error) { return nil, errAbsent }

// Generate is an error in a binary without PKCS#11.
func (*Module) Generate(context.Context, string) (crypto.Signer, []byte, error) {
	return nil, nil, errAbsent
}

// Find is an error in a binary without PKCS#11.
func (*Module) Find(context.Context, []byte) (crypto.Signer, error) { return nil, errAbsent }

// Close does nothing in a binary without PKCS#11.
func (*Module) Close() error { return nil }
