//go:build !pkcs11

package pkcs11_test

import (
	"strings"
	"testing"

	"privyseal/keys"
	"privyseal/keys/pkcs11"
)

var _ keys.Module = (*pkcs11.Module)(nil)

// A binary without PKCS#11 says how to get one with it.
func TestOpenWithoutPKCS11(t *testing.T) {
	m, err := pkcs11.Open(pkcs11.Options{Module: "/usr/lib/softhsm/libsofthsm2.so", Token: "keys", PIN: "1234"})
	if m != nil || err == nil || !strings.Contains(err.Error(), "-tags pkcs11") {
		t.Errorf("%v, %v", m, err)
	}
}
