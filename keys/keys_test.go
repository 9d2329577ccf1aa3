package keys_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"privyseal/keys"
)

var algorithms = []string{"ES256", "ES384", "ES512", "EdDSA", "RS256"}

// rsaKey is made once: it takes long.
var rsaKey = sync.OnceValues(func() (*keys.Key, error) { return keys.Generate("RS256", nil) })

func newKey(t testing.TB, alg string) *keys.Key {
	t.Helper()
	make := func() (*keys.Key, error) { return keys.Generate(alg, nil) }
	if alg == "RS256" {
		make = rsaKey
	}
	k, err := make()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// privateText writes private keys as a key file holds them.
func privateText(t testing.TB, list ...*keys.Key) []byte {
	t.Helper()
	var text []byte
	for _, k := range list {
		block, err := k.MarshalPEM()
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, block...)
	}
	return text
}

func publicText(t testing.TB, k *keys.Key) []byte {
	t.Helper()
	text, err := k.MarshalPublicPEM()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// privateOf returns the bare private key, as an attacker would like to.
func privateOf(t testing.TB, k *keys.Key) crypto.Signer {
	t.Helper()
	block, _ := pem.Decode(privateText(t, k))
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return private.(crypto.Signer)
}

func setOf(t testing.TB, list ...*keys.Key) *keys.Set {
	t.Helper()
	return parse(t, privateText(t, list...))
}

func parse(t testing.TB, text ...[]byte) *keys.Set {
	t.Helper()
	set, err := keys.Parse(bytes.Join(text, nil), keys.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func kids(set *keys.Set) []string {
	var list []string
	for _, k := range set.Keys() {
		list = append(list, k.KeyID())
	}
	return list
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
