package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
)

// faulty is a private key that does not sign as it should.
type faulty struct {
	*ecdsa.PrivateKey
	sign func(digest []byte) ([]byte, error)
}

func (f faulty) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return f.sign(digest)
}

// A key that does not sign correctly is found when it is loaded. It neither
// ends the process nor shows what it panicked with.
func TestFaultySignerIsRefused(t *testing.T) {
	const secret = "5ec2e7"
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, sign := range map[string]func([]byte) ([]byte, error){
		"panics":                 func([]byte) ([]byte, error) { panic(secret) },
		"fails":                  func([]byte) ([]byte, error) { return nil, errors.New(secret) },
		"signs nothing":          func([]byte) ([]byte, error) { return nil, nil },
		"signs with another key": func(digest []byte) ([]byte, error) { return other.Sign(rand.Reader, digest, crypto.SHA256) },
		"is too wide": func([]byte) ([]byte, error) { // r of 40 bytes, which the library cannot place
			return append(append([]byte{0x30, 45, 2, 40, 1}, make([]byte, 39)...), 2, 1, 1), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			k, err := newPrivateKey(faulty{private, sign})
			if err == nil {
				t.Fatalf("accepted: %v", k)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("error %q repeats what the signer said", err)
			}
		})
	}
}

// Retired keys stay in memory without their private half.
func TestPrivateHalfIsDropped(t *testing.T) {
	ring := NewRing(RingOptions{})
	var kids []string
	for range 2 {
		k, err := Generate("ES256", nil)
		if err != nil {
			t.Fatal(err)
		}
		kids = append(kids, k.id)
		if err := ring.Use(&Set{keys: []*Key{k}}, Rotation{}); err != nil {
			t.Fatal(err)
		}
	}
	s := ring.current.Load()
	if e := s.find(kids[0]); e == nil || e.key.Private() {
		t.Errorf("the retired key: %+v", e)
	}
	if !s.find(kids[1]).key.Private() {
		t.Error("the signing key has lost its private half")
	}
}
