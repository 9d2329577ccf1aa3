package authz

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// reuse keeps assertions for requests that differ in nothing but the moment. It
// belongs to one [Authorizer], so a reload begins with none, and to the key that
// signs: when that changes, by rotation or because the key was revoked, what the
// old one signed is forgotten. It is bounded in bytes and safe for concurrent
// use. Of equal requests at one time, one signs and the others wait for it.
type reuse struct {
	maxBytes int
	kept     atomic.Pointer[kept]
	flights  [16]flights
}

// kept are the assertions of one key.
type kept struct {
	kid        string
	assertions *Cache[signed]
}

type flights struct {
	mu     sync.Mutex
	flying map[[sha256.Size]byte]*flight
}

// flight is an assertion in the making.
type flight struct {
	done chan struct{}
	made signed // after done; the zero value if it failed
}

func newReuse(maxBytes int) *reuse {
	r := &reuse{maxBytes: maxBytes}
	for i := range r.flights {
		r.flights[i].flying = map[[sha256.Size]byte]*flight{}
	}
	return r
}

// by returns the assertions of the key that signs.
func (r *reuse) by(kid string) *Cache[signed] {
	for {
		k := r.kept.Load()
		if k != nil && k.kid == kid {
			return k.assertions
		}
		r.kept.CompareAndSwap(k, &kept{kid, NewCache[signed](r.maxBytes)})
	}
}

// once makes an assertion, or waits for the equal one that is being made. If
// that fails, as it may for reasons of the other request alone, it is made after
// all.
func (r *reuse) once(ctx context.Context, key [sha256.Size]byte, sign func() (signed, error)) (signed, error) {
	shard := &r.flights[key[0]&15]
	shard.mu.Lock()
	if other, ok := shard.flying[key]; ok {
		shard.mu.Unlock()
		select {
		case <-other.done:
		case <-ctx.Done():
			return signed{}, ctx.Err()
		}
		if other.made.jws != "" {
			return other.made, nil
		}
		return sign()
	}
	f := &flight{done: make(chan struct{})}
	shard.flying[key] = f
	shard.mu.Unlock()
	defer func() { // also when the signer panics: others wait
		shard.mu.Lock()
		delete(shard.flying, key)
		shard.mu.Unlock()
		close(f.done)
	}()
	made, err := sign()
	if err == nil {
		f.made = made
	}
	return made, err
}

// assertionKey names an assertion by everything in it, and in the headers that
// go with it, but the moment: the claims as they are written, the identity,
// which is all that headers of single claims are made of, how long it may live,
// the rule and the key.
func assertionKey(payload []byte, c *check, kid string) [sha256.Size]byte {
	b := make([]byte, 0, 2048)
	for _, s := range []string{c.rule.Name, kid} {
		b = append(binary.BigEndian.AppendUint64(b, uint64(len(s))), s...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(c.rule.TTL))
	b = append(b, c.identity.Digest[:]...) // holds when the credential ends
	return sha256.Sum256(append(b, payload...))
}

// reusableUntil is when an assertion is too old to be used again: after the
// configured time, or half of its life.
func (c *check) reusableUntil(made signed, now time.Time) time.Time {
	life := made.expires.Sub(now.Truncate(time.Second)) // less than the ttl if the credential ends before
	return now.Add(min(c.assertion.Reuse, life/2))
}
