package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// moduleKey is a key of a cryptographic module, which signs well or as badly as
// its fault says.
type moduleKey struct {
	crypto.Signer
	fault atomic.Pointer[fault]
}

type fault func(digest []byte, opts crypto.SignerOpts) ([]byte, error)

func (m *moduleKey) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if f := m.fault.Load(); f != nil {
		return (*f)(digest, opts)
	}
	return m.Signer.Sign(random, digest, opts)
}

func (m *moduleKey) set(f fault) { m.fault.Store(&f) }
func (m *moduleKey) recover()    { m.fault.Store(nil) }

func newModuleKey(t testing.TB, alg string) *moduleKey {
	t.Helper()
	private, err := generate(alg, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &moduleKey{Signer: private}
}

// externalRing returns a ring that signs with a key of a module.
func externalRing(t testing.TB, alg string, private crypto.Signer) *Ring {
	t.Helper()
	k, err := newExternalKey(t.Context(), alg, private)
	if err != nil {
		t.Fatal(err)
	}
	ring := NewRing(RingOptions{})
	if err := ring.Use(&Set{keys: []*Key{k}}, Rotation{}); err != nil {
		t.Fatal(err)
	}
	return ring
}

// wantToken signs, and verifies with an implementation that is not ours.
func wantToken(t testing.TB, ring *Ring, alg string, public crypto.PublicKey) {
	t.Helper()
	token, _, err := ring.Sign(t.Context(), []byte("payload"))
	if err != nil {
		t.Error(err)
		return
	}
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := parsed.Verify(public); err != nil {
		t.Errorf("%s: %v", token, err)
	}
}

const secret = "5ec2e7"

// anyFaults are what the keys of every algorithm can do wrong.
func anyFaults(good, other crypto.Signer) map[string]fault {
	stale, err := good.Sign(rand.Reader, bytes.Repeat([]byte{1}, 32), crypto.SHA256)
	if err != nil {
		stale, _ = good.Sign(rand.Reader, bytes.Repeat([]byte{1}, 32), crypto.Hash(0))
	}
	well := func(digest []byte, opts crypto.SignerOpts) []byte {
		signature, _ := good.Sign(rand.Reader, digest, opts)
		return signature
	}
	return map[string]fault{
		"panics":                 func([]byte, crypto.SignerOpts) ([]byte, error) { panic(secret) },
		"panics with an error":   func([]byte, crypto.SignerOpts) ([]byte, error) { panic(errors.New(secret)) },
		"fails":                  func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, errors.New(secret) },
		"returns nothing":        func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, nil },
		"ends its goroutine":     func([]byte, crypto.SignerOpts) ([]byte, error) { runtime.Goexit(); return nil, nil },
		"returns much":           func([]byte, crypto.SignerOpts) ([]byte, error) { return make([]byte, 1<<20), nil },
		"signs with another key": func(d []byte, o crypto.SignerOpts) ([]byte, error) { return other.Sign(rand.Reader, d, o) },
		"answers an earlier call": func([]byte, crypto.SignerOpts) ([]byte, error) {
			return stale, nil
		},
		"makes the digest fit its answer": func(d []byte, _ crypto.SignerOpts) ([]byte, error) {
			copy(d, bytes.Repeat([]byte{1}, 32))
			return stale, nil
		},
		"drops the last byte": func(d []byte, o crypto.SignerOpts) ([]byte, error) {
			signature := well(d, o)
			return signature[:len(signature)-1], nil
		},
		"appends a byte": func(d []byte, o crypto.SignerOpts) ([]byte, error) { return append(well(d, o), 0), nil },
		"adds an error to a signature": func(d []byte, o crypto.SignerOpts) ([]byte, error) {
			return well(d, o), errors.New(secret)
		},
	}
}

// ecdsaFaults are faults of a pair of numbers in ASN.1.
func ecdsaFaults(good *ecdsa.PrivateKey) map[string]fault {
	order := good.Params().N
	numbers := func(change func(r, s *big.Int) any) fault {
		return func(digest []byte, _ crypto.SignerOpts) ([]byte, error) {
			r, s, err := ecdsa.Sign(rand.Reader, good, digest)
			if err != nil {
				return nil, err
			}
			return asn1.Marshal(change(r, s))
		}
	}
	type pair struct{ R, S *big.Int }
	return map[string]fault{
		"is no ASN.1":     func([]byte, crypto.SignerOpts) ([]byte, error) { return []byte("\x30\x84garbage"), nil },
		"is r and s bare": func([]byte, crypto.SignerOpts) ([]byte, error) { return make([]byte, 64), nil },
		"has a wide r": numbers(func(r, s *big.Int) any { // wider than there is room for in a JWS
			return pair{new(big.Int).Add(r, new(big.Int).Lsh(big.NewInt(1), 320)), s}
		}),
		"has r beyond the order": numbers(func(r, s *big.Int) any { return pair{new(big.Int).Add(r, order), s} }),
		"has s beyond the order": numbers(func(r, s *big.Int) any { return pair{r, new(big.Int).Add(s, order)} }),
		"has r zero":             numbers(func(_, s *big.Int) any { return pair{new(big.Int), s} }),
		"has s zero":             numbers(func(r, _ *big.Int) any { return pair{r, new(big.Int)} }),
		"has r negative":         numbers(func(r, s *big.Int) any { return pair{new(big.Int).Neg(r), s} }),
		"has a short r":          numbers(func(r, s *big.Int) any { return pair{new(big.Int).Rsh(r, 8), s} }),
		"has a third number":     numbers(func(r, s *big.Int) any { return struct{ R, S, T *big.Int }{r, s, s} }),
	}
}

// rsaFaults are faults of the padding.
func rsaFaults(good crypto.Signer) map[string]fault {
	sign := func(o crypto.SignerOpts) fault {
		return func(digest []byte, _ crypto.SignerOpts) ([]byte, error) { return good.Sign(rand.Reader, digest, o) }
	}
	return map[string]fault{
		"pads for PS256":   sign(&rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256}),
		"pads for RS256":   sign(crypto.SHA256),
		"has a short salt": sign(&rsa.PSSOptions{SaltLength: 20, Hash: crypto.SHA256}),
	}
}

func faultsOf(t *testing.T, alg string, good crypto.Signer) map[string]fault {
	faults := anyFaults(good, newModuleKey(t, alg).Signer)
	switch alg {
	case "ES256", "ES384", "ES512":
		maps.Copy(faults, ecdsaFaults(good.(*ecdsa.PrivateKey)))
	case "RS256", "PS256":
		maps.Copy(faults, rsaFaults(good))
		delete(faults, "pads for "+alg)
	}
	return faults
}

// Whatever a module does wrong, there is an error and no token, nothing of what
// it said is repeated, and the next signature that it makes well is used. A key
// that is wrong from the start is not loaded.
func TestModuleFaults(t *testing.T) {
	for _, alg := range []string{"ES256", "ES512", "EdDSA", "RS256", "PS256"} {
		m := newModuleKey(t, alg)
		ring := externalRing(t, alg, m)
		for name, f := range faultsOf(t, alg, m.Signer) {
			t.Run(alg+" "+name, func(t *testing.T) {
				m.set(f)
				defer m.recover()
				token, kid, err := ring.Sign(t.Context(), []byte("payload"))
				if err == nil || token != "" || kid != "" {
					t.Fatalf("signed: %s", token)
				}
				k, loadErr := newExternalKey(t.Context(), alg, m)
				if loadErr == nil {
					t.Fatalf("loaded: %v", k)
				}
				if text := err.Error() + loadErr.Error(); strings.Contains(text, secret) || !strings.Contains(text, "cryptographic module") {
					t.Errorf("error %q", text)
				}
				m.recover()
				wantToken(t, ring, alg, m.Public())
			})
		}
	}
}

// numbered is an error of a module that has a number.
type numbered uint

func (numbered) Error() string { return secret }
func (n numbered) Code() uint  { return uint(n) }

// The number of an error is for the operator, who has the module's manual.
func TestModuleErrorNumber(t *testing.T) {
	m := newModuleKey(t, "ES256")
	ring := externalRing(t, "ES256", m)
	m.set(func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, fmt.Errorf("%w", numbered(0x32)) })
	if _, _, err := ring.Sign(t.Context(), nil); err == nil || !strings.HasSuffix(err.Error(), "refused to sign: error 0x32") {
		t.Error(err)
	}
}

// doubling is a JOSE library that encodes signatures badly.
type doubling struct{ jws.Signer }

func (d doubling) Sign(payload []byte, key any) ([]byte, error) {
	signature, err := d.Signer.Sign(payload, key)
	return append(signature, signature...), err
}

// What the JOSE library makes of a good signature is as long as it has to be.
func TestEncodedSignatureLength(t *testing.T) {
	for _, alg := range []string{"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"} {
		k, err := newExternalKey(t.Context(), alg, newModuleKey(t, alg))
		if err != nil {
			t.Fatal(err)
		}
		s, err := newSigner(k)
		if err != nil {
			t.Fatal(err)
		}
		s.method = doubling{s.method}
		if token, err := s.sign(t.Context(), nil); err == nil {
			t.Errorf("%s: %s", alg, token)
		}
	}
}

// A module that has failed for a while needs nobody to try it again.
func TestThrottledModule(t *testing.T) {
	m := newModuleKey(t, "ES256")
	ring := externalRing(t, "ES256", m)
	left := 20
	m.set(func(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
		if left--; left >= 0 {
			return nil, errors.New("throttled")
		}
		return m.Signer.Sign(rand.Reader, digest, opts)
	})
	for range 20 {
		if token, _, err := ring.Sign(t.Context(), nil); err == nil {
			t.Fatal(token)
		}
	}
	wantToken(t, ring, "ES256", m.Public())
}

// A key in memory that does not sign correctly is found when it is loaded. It
// neither ends the process nor shows what it panicked with.
func TestFaultySignerIsRefused(t *testing.T) {
	m := newModuleKey(t, "ES256")
	faults := faultsOf(t, "ES256", m.Signer)
	for _, name := range []string{"panics", "fails", "returns nothing", "signs with another key", "has a wide r"} {
		m.set(faults[name])
		k, err := newPrivateKey(m)
		if err == nil {
			t.Fatalf("%s: accepted: %v", name, k)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("error %q repeats what the signer said", err)
		}
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
