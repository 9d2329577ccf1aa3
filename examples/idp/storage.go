package idp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// storage is what the provider knows: people, clients, one key, and the logins of
// this process's life.
type storage struct {
	personas []Persona
	clients  []Client
	lifetime time.Duration // of access tokens
	key      key

	mu     sync.Mutex // guards the following
	flows  []flow     // the oldest first
	grants map[string]*grant
}

var _ op.Storage = (*storage)(nil)

// Health says that the provider is ready.
func (*storage) Health(context.Context) error { return nil }

// SigningKey, SignatureAlgorithms and KeySet are the one key there is.
func (s *storage) SigningKey(context.Context) (op.SigningKey, error) { return s.key, nil }
func (s *storage) KeySet(context.Context) ([]op.Key, error)          { return []op.Key{public{s.key}}, nil }
func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{s.key.SignatureAlgorithm()}, nil
}

type key struct {
	id      string
	private *ecdsa.PrivateKey
}

func newKey() (key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return key{rand.Text(), private}, err
}

func (k key) ID() string                                  { return k.id }
func (k key) Key() any                                    { return k.private }
func (k key) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }

// public is the half of a key that is published.
type public struct{ of key }

func (p public) ID() string                         { return p.of.id }
func (p public) Key() any                           { return &p.of.private.PublicKey }
func (p public) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (p public) Use() string                        { return "sig" }
