package e2e

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
)

const t5 = 15 * time.Second

// waits yields until a time has passed: for what another process does in its own
// time.
func waits(limit time.Duration) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, end := 0, time.Now().Add(limit); time.Now().Before(end); i++ {
			if !yield(i) {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// TestServiceDown: nothing reaches the application, forged or not.
func TestServiceDown(t *testing.T) {
	w := ordinary(t, knobs{})
	w.get(t, "/healthz").want(t, 200)
	w.service.stop()
	for _, spoof := range append(spoofs(), "x-nothing: at all") {
		w.get(t, "/healthz", spoof).want(t, 503)
	}
}

// TestFailOpenEnvoy: an operator who let Envoy fail open still gets denials for
// every fault that reaches us.
func TestFailOpenEnvoy(t *testing.T) {
	fault := func(f func() error) []authz.Authenticator {
		return []authz.Authenticator{authenticator(func(context.Context, *authz.Request, *authz.Effects) (*authz.Identity, error) {
			return nil, f()
		})}
	}
	for name, list := range map[string][]authz.Authenticator{
		"panic":          fault(func() error { panic("boom") }),
		"error":          fault(func() error { return errors.New("broken") }),
		"denial":         fault(func() error { return &authz.Denial{Reason: authz.InvalidCredential} }),
		"no credential":  fault(func() error { return authz.ErrNoCredential }),
		"nil, nil":       fault(func() error { return nil }),
		"signing failed": {as(alice)},
	} {
		t.Run(name, func(t *testing.T) {
			w := bare(t, knobs{FailOpen: true, Authz: stub(t, authorizer(t, authz.Options{
				Policy: oneRule{rule(list...)}, Signer: brokenSigner{},
			}))})
			if r := w.get(t, "/v1", "x-user: SPOOF"); r.status == 200 {
				t.Errorf("let through:\n%s", r.body)
			}
		})
	}
}

// TestDeadline: a check that ends too late is not let through, even by an Envoy
// that would wait no longer.
func TestDeadline(t *testing.T) {
	slow := authenticator(func(ctx context.Context, _ *authz.Request, _ *authz.Effects) (*authz.Identity, error) {
		<-ctx.Done()
		return alice, nil // as if nothing had happened
	})
	w := bare(t, knobs{Timeout: "0.2s", Authz: stub(t, authorizer(t, authz.Options{Policy: oneRule{rule(slow)}, Signer: fixedSigner{}}))})
	for range 5 {
		w.get(t, "/v1").want(t, 503)
	}
}

// TestBufferedBody: with a body in the check, one over Envoy's limit is refused
// by Envoy, and one below it changes nothing.
func TestBufferedBody(t *testing.T) {
	w := ordinary(t, knobs{Body: true})
	post := func(n int) string {
		return fmt.Sprintf("POST /v1 HTTP/1.1\r\nhost: app.example\r\n%s\r\ncontent-length: %d\r\n\r\n%s",
			bearer(w.token("alice", "staff")), n, strings.Repeat("\xff", n))
	}
	w.send(t, post(32)).want(t, 200)
	w.send(t, post(200)).want(t, 413)
}

// The smallest parts of an authorizer.

type authenticator func(context.Context, *authz.Request, *authz.Effects) (*authz.Identity, error)

func (f authenticator) Authenticate(ctx context.Context, r *authz.Request, fx *authz.Effects) (*authz.Identity, error) {
	return f(ctx, r, fx)
}

var alice = authz.NewIdentity(authz.Identity{Source: "stub", Subject: "alice"})

func as(id *authz.Identity) authz.Authenticator {
	return authenticator(func(context.Context, *authz.Request, *authz.Effects) (*authz.Identity, error) { return id, nil })
}

type allowAll struct{}

func (allowAll) Judge(context.Context, *authz.Request, *authz.Identity) (authz.Extra, error) {
	return authz.Extra{}, nil
}

func rule(list ...authz.Authenticator) *authz.Rule {
	return &authz.Rule{Name: "stub", TTL: time.Minute, Authenticate: list, Judge: allowAll{}, Sources: []string{"stub"}}
}

type oneRule struct{ rule *authz.Rule }

func (p oneRule) Match(*authz.Request) (*authz.Rule, *authz.Denial) { return p.rule, nil }

type fixedSigner struct{}

func (fixedSigner) KeyID() string { return "k" }
func (fixedSigner) Sign(context.Context, []byte) (jws, kid string, err error) {
	return "a.b.c", "k", nil
}

type brokenSigner struct{ fixedSigner }

func (brokenSigner) Sign(context.Context, []byte) (jws, kid string, err error) {
	return "", "", errors.New("no key")
}

func authorizer(t *testing.T, o authz.Options) *authz.Authorizer {
	t.Helper()
	a, err := authz.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
