package authz

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// turning is a signer whose key changes, and which waits to be let go.
type turning struct {
	kid   atomic.Pointer[string]
	made  atomic.Int32
	gate  chan struct{} // nil: does not wait
	fail  func(ctx context.Context) error
	turns string // the kid that signs, if it changed since KeyID was asked
}

func (s *turning) KeyID() string { return *s.kid.Load() }

func (s *turning) Sign(ctx context.Context, payload []byte) (string, string, error) {
	s.made.Add(1)
	if s.gate != nil {
		<-s.gate
	}
	if s.fail != nil {
		if err := s.fail(ctx); err != nil {
			return "", "", err
		}
	}
	kid := s.KeyID()
	if s.turns != "" {
		kid = s.turns
	}
	return edSigner{kid}.Sign(ctx, payload)
}

func newTurning(kid string) *turning {
	s := &turning{}
	s.kid.Store(&kid)
	return s
}

func reusing(t *testing.T, s Signer, edit ...func(*Rule)) *Authorizer {
	rule := signing()
	for _, f := range edit {
		f(rule)
	}
	return newAuthorizer(t, Options{
		Policy: only(rule), Signer: s, Now: time.Now, Rand: rand.Reader, Assertion: AssertionOptions{Reuse: 30 * time.Second},
	})
}

// TestEqualRequestsSignOnce: those that come while one is signed wait for it.
func TestEqualRequestsSignOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTurning("k")
		s.gate = make(chan struct{})
		a := reusing(t, s)
		var asking sync.WaitGroup
		var names sync.Map
		for range 50 {
			asking.Go(func() {
				d := a.Authorize(t.Context(), request(t, "/", nil))
				if d.Grant() == nil {
					t.Errorf("%+v", d.Record)
				}
				names.Store(d.Record.JWTID, true)
			})
		}
		synctest.Wait()
		close(s.gate)
		asking.Wait()
		different := 0
		names.Range(func(any, any) bool { different++; return true })
		if s.made.Load() != 1 || different != 1 {
			t.Errorf("%d signatures, %d assertions", s.made.Load(), different)
		}
	})
}

// TestOneRequestDoesNotFailAnother: who waits for a request that fails, or that
// panics, signs itself; who waits too long is told so.
func TestOneRequestDoesNotFailAnother(t *testing.T) {
	for name, fail := range map[string]func(context.Context) error{
		"error": func(context.Context) error { return errors.New("broken") },
		"panic": func(context.Context) error { panic("boom") },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newTurning("k")
			s.gate = make(chan struct{})
			first := true
			s.fail = func(ctx context.Context) error {
				if first {
					first = false
					return fail(ctx)
				}
				return nil
			}
			a := reusing(t, s)
			var decisions [2]Decision
			var asking sync.WaitGroup
			ask := func(i int, ctx context.Context) {
				asking.Go(func() { decisions[i] = a.Authorize(ctx, request(t, "/", nil)) })
				synctest.Wait()
			}
			ask(0, t.Context())
			ask(1, t.Context())
			short, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if d := a.Authorize(short, request(t, "/", nil)); d.Record.Reason != DeadlineExceeded {
				t.Errorf("%s: who waits too long: %+v", name, d.Record)
			}
			close(s.gate)
			asking.Wait()
			if decisions[0].Grant() != nil || decisions[1].Grant() == nil || decisions[1].Record.KeyID != "k" {
				t.Errorf("%s: %+v, %+v", name, decisions[0].Record, decisions[1].Record)
			}
		})
	}
}

// TestAnotherKeyForgetsAll: what a key signed is gone when another signs, also
// when the first comes back.
func TestAnotherKeyForgetsAll(t *testing.T) {
	s := newTurning("k1")
	a := reusing(t, s)
	ask := func() string {
		t.Helper()
		d := a.Authorize(t.Context(), request(t, "/", nil))
		if d.Grant() == nil {
			t.Fatalf("%+v", d.Record)
		}
		return d.Record.KeyID + " " + d.Record.JWTID
	}
	first := ask()
	if ask() != first {
		t.Fatal("not reused")
	}
	other := "k2"
	s.kid.Store(&other)
	if ask() == first || a.reuse.by("k2").Bytes() == 0 {
		t.Error("another key signs, and the assertion of the first is used")
	}
	back := "k1"
	s.kid.Store(&back)
	if ask() == first {
		t.Error("what was forgotten came back")
	}
}

// TestKeyThatChangesWhileSigning: an assertion is not kept under a key that did
// not sign it.
func TestKeyThatChangesWhileSigning(t *testing.T) {
	s := newTurning("k1")
	s.turns = "k2"
	a := reusing(t, s)
	for range 2 {
		a.Authorize(t.Context(), request(t, "/", nil))
	}
	if s.made.Load() != 2 {
		t.Error("an assertion of k2 is kept as one of k1")
	}
}

func TestReuseEndsWhenTheOptionsSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTurning("k")
		a := reusing(t, s, func(r *Rule) { r.TTL = 10 * time.Minute })
		for _, after := range []time.Duration{0, 29 * time.Second, time.Second} {
			time.Sleep(after)
			a.Authorize(t.Context(), request(t, "/", nil))
		}
		if s.made.Load() != 2 {
			t.Errorf("%d signatures in thirty seconds", s.made.Load())
		}
	})
}

// TestReuseEndsAtHalfOfALifeThatTheCredentialCutShort.
func TestReuseEndsAtHalfOfALifeThatTheCredentialCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTurning("k")
		a := reusing(t, s, func(r *Rule) {
			r.Authenticate = []Authenticator{as(alice(func(id *Identity) { id.Expires = time.Now().Add(20 * time.Second) }))}
		})
		for _, after := range []time.Duration{0, 9 * time.Second, 2 * time.Second} {
			time.Sleep(after)
			if d := a.Authorize(t.Context(), request(t, "/", nil)); d.Grant() == nil {
				t.Fatalf("%+v", d.Record)
			}
		}
		if s.made.Load() != 2 {
			t.Errorf("%d signatures in eleven of twenty seconds", s.made.Load())
		}
	})
}

// TestIdentitiesThatAreNotSealedShareNothing: without a digest nothing says that
// two are one.
func TestIdentitiesThatAreNotSealedShareNothing(t *testing.T) {
	s := newTurning("k")
	a := reusing(t, s, func(r *Rule) { r.Authenticate = []Authenticator{as(&Identity{Source: "corp", Subject: "alice"})} })
	for range 2 {
		a.Authorize(t.Context(), request(t, "/", nil))
	}
	if s.made.Load() != 2 {
		t.Errorf("%d signatures", s.made.Load())
	}
}

// TestReuseIsPerClaimHeader: a claim that is only in a header of its own tells
// two identities apart.
func TestReuseIsPerClaimHeader(t *testing.T) {
	s := newTurning("k")
	level := "1"
	rule := signing(authenticatorFunc(func(context.Context, *Request, *Effects) (*Identity, error) {
		return alice(func(id *Identity) { id.Claims = map[string]any{"level": level} }), nil
	}))
	a := newAuthorizer(t, Options{Policy: only(rule), Signer: s, Assertion: AssertionOptions{
		Reuse: time.Second, ClaimHeaders: map[string]string{"x-level": "level"},
	}})
	for _, level = range []string{"1", "2", "1"} {
		if d := a.Authorize(t.Context(), request(t, "/", nil)); d.Grant().Set()[1].Value != level {
			t.Errorf("%+v", d.Grant())
		}
	}
	if s.made.Load() != 2 {
		t.Errorf("%d signatures", s.made.Load())
	}
}
