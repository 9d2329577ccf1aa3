package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A module that hangs costs each request no more than its deadline or a second,
// and the process no more than 16 goroutines for each key.
func TestModuleHangs(t *testing.T) {
	m := newModuleKey(t, "ES256")
	synctest.Test(t, func(t *testing.T) {
		ring := externalRing(t, "ES256", m)
		var begun atomic.Int32
		release := make(chan struct{})
		m.set(func([]byte, crypto.SignerOpts) ([]byte, error) {
			begun.Add(1)
			<-release
			return nil, nil
		})
		sign := func(deadline, want time.Duration, message string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			start := time.Now()
			token, _, err := ring.Sign(ctx, nil)
			if token != "" || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), message) {
				t.Errorf("%q, %v", token, err)
			}
			if took := time.Since(start); took != want {
				t.Errorf("took %v, want %v", took, want)
			}
		}
		sign(200*time.Millisecond, 200*time.Millisecond, "has not answered in time")
		for range 15 {
			sign(time.Minute, time.Second, "has not answered in time")
		}
		for range 10 {
			sign(200*time.Millisecond, 200*time.Millisecond, "overloaded or hangs")
		}
		if n := begun.Load(); n != 16 {
			t.Errorf("%d calls are under way, want 16", n)
		}
		close(release)
		synctest.Wait()
		m.recover()
		wantToken(t, ring, "ES256", m.Public())
	})
}

// Under load 16 signatures are made at once, and others wait for their turn.
func TestModuleConcurrency(t *testing.T) {
	m := newModuleKey(t, "ES256")
	synctest.Test(t, func(t *testing.T) {
		ring := externalRing(t, "ES256", m)
		var running, most atomic.Int32
		m.set(func(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
			defer running.Add(-1)
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(10 * time.Millisecond) // of the bubble's clock
			return m.Signer.Sign(rand.Reader, digest, opts)
		})
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() { wantToken(t, ring, "ES256", m.Public()) })
		}
		wg.Wait()
		if most.Load() != 16 {
			t.Errorf("%d signatures at once, want 16", most.Load())
		}
	})
}

// publicKey is a key of a module that says what its public key is in its own way.
type publicKey struct {
	crypto.Signer
	public func() crypto.PublicKey
}

func (p publicKey) Public() crypto.PublicKey { return p.public() }

// A module's public key must be one that the algorithm signs with.
func TestModulePublicKey(t *testing.T) {
	rsaKey, p384, okp := newModuleKey(t, "RS256"), newModuleKey(t, "ES384"), newModuleKey(t, "EdDSA")
	weak := &rsa.PublicKey{N: rsaKey.Public().(*rsa.PublicKey).N, E: 3}
	for name, c := range map[string]struct {
		alg    string
		public func() crypto.PublicKey
	}{
		"RSA for ES256":     {"ES256", rsaKey.Public},
		"P-384 for ES256":   {"ES256", p384.Public},
		"P-384 for PS256":   {"PS256", p384.Public},
		"Ed25519 for RS256": {"RS256", okp.Public},
		"RSA for RS384":     {"RS384", rsaKey.Public},
		"exponent 3":        {"RS256", func() crypto.PublicKey { return weak }},
		"nothing":           {"ES256", func() crypto.PublicKey { return nil }},
		"a nil EC key":      {"ES256", func() crypto.PublicKey { return (*ecdsa.PublicKey)(nil) }},
		"an EC key of nil":  {"ES256", func() crypto.PublicKey { return &ecdsa.PublicKey{Curve: elliptic.P256()} }},
		"a nil RSA key":     {"RS256", func() crypto.PublicKey { return &rsa.PublicKey{} }},
		"a short key":       {"EdDSA", func() crypto.PublicKey { return ed25519.PublicKey("short") }},
		"panic":             {"ES256", func() crypto.PublicKey { panic(secret) }},
	} {
		k, err := newExternalKey(t.Context(), c.alg, publicKey{rsaKey, c.public})
		if err == nil || k != nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
	if k, err := newKeyFor("ES256", rsaKey.Signer); err == nil {
		t.Errorf("in memory: %v", k)
	}
}

func TestModulePublicKeyHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		_, err := newExternalKey(t.Context(), "ES256", publicKey{nil, func() crypto.PublicKey { <-release; return nil }})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		close(release)
	})
}

// A module is asked for its public key once. If its keys are swapped later, no
// token is signed with a key that is not published.
func TestModulePublicKeyChanges(t *testing.T) {
	m, other := newModuleKey(t, "ES256"), newModuleKey(t, "ES256")
	calls := 0
	ring := externalRing(t, "ES256", publicKey{m, func() crypto.PublicKey {
		if calls++; calls == 1 {
			return m.Public()
		}
		return other.Public()
	}})
	wantToken(t, ring, "ES256", m.Public())
	if calls != 1 {
		t.Errorf("asked %d times", calls)
	}
	m.set(func(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
		return other.Sign(rand.Reader, digest, opts)
	})
	if token, _, err := ring.Sign(t.Context(), nil); err == nil {
		t.Errorf("signed with a key that is not published: %s", token)
	}
}

// talkative is a key whose fields are all secret.
type talkative struct {
	crypto.Signer
	PIN string
}

func (k *talkative) Sign(r io.Reader, d []byte, o crypto.SignerOpts) ([]byte, error) {
	return k.Signer.Sign(r, d, o)
}

// A key of a module has no PEM, and nothing that prints it reaches the module.
func TestExternalKeyIsOpaque(t *testing.T) {
	for _, alg := range []string{"ES256", "PS256"} {
		k, err := newExternalKey(t.Context(), alg, &talkative{newModuleKey(t, alg).Signer, secret})
		if err != nil {
			t.Fatal(err)
		}
		if text, err := k.MarshalPEM(); err == nil || !strings.Contains(err.Error(), "lives in a cryptographic module") {
			t.Errorf("%s, %v", text, err)
		}
		if _, err := k.MarshalPublicPEM(); err != nil {
			t.Error(err)
		}
		half := k.publicHalf()
		if !k.Private() || k.Algorithm() != alg || half.Private() || half.id != k.id {
			t.Errorf("%v, half %v", k, half)
		}
		s, err := newSigner(k)
		if err != nil {
			t.Fatal(err)
		}
		type holder struct {
			key     Key
			pointer *Key
			signer  signer
		}
		for _, v := range []any{k, *k, s, *s, holder{*k, k, *s}, &holder{*k, k, *s}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
				if text := fmt.Sprintf(verb, v); strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
					t.Errorf("%s of %T: %s", verb, v, text)
				}
			}
		}
	}
}

func BenchmarkExternalSign(b *testing.B) {
	ring := externalRing(b, "ES256", newModuleKey(b, "ES256"))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ring.Sign(b.Context(), make([]byte, 300)); err != nil {
			b.Fatal(err)
		}
	}
}
