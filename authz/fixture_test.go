package authz

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io"
	"testing"
	"time"
)

// The clock of the tests stands still, and their randomness is zero.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 500e6, time.UTC)

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// edSigner signs with a fixed Ed25519 key: equal payloads have equal signatures.
type edSigner struct{ kid string }

func (s edSigner) KeyID() string { return s.kid }

func (s edSigner) Sign(_ context.Context, payload []byte) (string, string, error) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"alg":"EdDSA","kid":"`+s.kid+`","typ":"JWT"}`)) + "." + encode(payload)
	return input + "." + encode(ed25519.Sign(key, []byte(input))), s.kid, nil
}

type signerFunc func(context.Context, []byte) (string, string, error)

func (signerFunc) KeyID() string { return "k" }
func (f signerFunc) Sign(ctx context.Context, p []byte) (string, string, error) {
	return f(ctx, p)
}

type policyFunc func(*Request) (*Rule, *Denial)

func (f policyFunc) Match(r *Request) (*Rule, *Denial) { return f(r) }

func only(rule *Rule) Policy {
	return policyFunc(func(*Request) (*Rule, *Denial) { return rule, nil })
}

type authenticatorFunc func(context.Context, *Request, *Effects) (*Identity, error)

func (f authenticatorFunc) Authenticate(ctx context.Context, r *Request, fx *Effects) (*Identity, error) {
	return f(ctx, r, fx)
}

func as(id *Identity) Authenticator {
	return authenticatorFunc(func(context.Context, *Request, *Effects) (*Identity, error) { return id, nil })
}

func failing(err error) Authenticator {
	return authenticatorFunc(func(context.Context, *Request, *Effects) (*Identity, error) { return nil, err })
}

type judgeFunc func(context.Context, *Request, *Identity) (Extra, error)

func (f judgeFunc) Judge(ctx context.Context, r *Request, id *Identity) (Extra, error) {
	return f(ctx, r, id)
}

func yes(context.Context, *Request, *Identity) (Extra, error) { return Extra{}, nil }

var errBroken = errors.New("broken")

func alice(edit ...func(*Identity)) *Identity {
	id := Identity{Source: "corp", Issuer: "https://idp.example", Subject: "alice", Email: "alice@corp.example", Name: "Alice", Groups: []string{"staff"}}
	for _, f := range edit {
		f(&id)
	}
	return NewIdentity(id)
}

func signing(list ...Authenticator) *Rule {
	if list == nil {
		list = []Authenticator{as(alice())}
	}
	return &Rule{Name: "app", Pattern: "app.example", Audience: "app", TTL: time.Minute, Sources: []string{"corp"}, Authenticate: list, Judge: judgeFunc(yes)}
}

func newAuthorizer(t testing.TB, o Options) *Authorizer {
	t.Helper()
	if o.Signer == nil {
		o.Signer = edSigner{"k1"}
	}
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	if o.Rand == nil {
		o.Rand = io.Reader(zeros{})
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func request(t testing.TB, target string, headers HeaderMap) *Request {
	t.Helper()
	r, denial := NewRequest("GET", "https", "app.example", target)
	if denial != nil {
		t.Fatal(denial)
	}
	r.Headers = headers
	return r
}

// payload decodes the second part of a JWS.
func payload(t testing.TB, jws string) string {
	t.Helper()
	parts := bytes.Split([]byte(jws), []byte("."))
	if len(parts) != 3 {
		t.Fatalf("not a JWS: %q", jws)
	}
	b, err := base64.RawURLEncoding.DecodeString(string(parts[1]))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
