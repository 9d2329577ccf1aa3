package policy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"

	"privyseal/authz"
)

// p256 signs as a service with its usual kind of key does.
type p256 struct{ *ecdsa.PrivateKey }

func (p256) KeyID() string { return "k" }

func (k p256) Sign(_ context.Context, payload []byte) (jws, kid string, err error) {
	digest := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, k.PrivateKey, digest[:])
	return base64.RawURLEncoding.EncodeToString(payload) + "." + base64.RawURLEncoding.EncodeToString(signature), "k", err
}

// BenchmarkCheck is whole decisions: match, judge, claims, one ES256 signature.
// Every rule is asked for in turn.
func BenchmarkCheck(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for _, shape := range shapes {
		for _, n := range []int{10, 10000} {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				rules := many(n, shape.rule)
				for i := range rules {
					rules[i].Public, rules[i].Audience, rules[i].Allow = false, "app", Clauses{{Groups: []string{"staff"}}}
				}
				alice := authz.NewIdentity(authz.Identity{Source: "corp", Subject: "alice", Groups: []string{"staff"}})
				p, err := Compile(rules, Env{Issuer: "https://seal.example", Sources: []Source{{Name: "corp"}},
					Authenticators: func(names []string) []authz.Authenticator { return []authz.Authenticator{believer(names)} }})
				if err != nil {
					b.Fatal(err)
				}
				a, err := authz.New(authz.Options{Policy: p, Signer: p256{key}, Issuer: "https://seal.example"})
				if err != nil {
					b.Fatal(err)
				}
				requests := make([]*authz.Request, n)
				for i := range requests {
					host, path := shape.last(i * 7919 % n)
					requests[i] = asked(b, "GET", host, path)
				}
				ctx := context.WithValue(context.Background(), attemptKey{}, &attempt{identity: alice})
				for i := 0; b.Loop(); i++ {
					if d := a.Authorize(ctx, requests[i%n]); d.Grant() == nil {
						b.Fatal(d.Record)
					}
				}
			})
		}
	}
}
