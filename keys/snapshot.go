package keys

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// snapshot is one state of a ring. It is immutable. Of configured keys, after
// makes the next one from it, the configuration and the time; of a shared ring,
// sharedSnapshot makes it from the document and the time.
type snapshot struct {
	configured []*Key // in the operator's order; none for an ephemeral key
	rotation   Rotation
	shared     *shared // nil for configured keys and for an ephemeral one
	entries    []entry // in the order of the key set

	signer    *signer       // its key is one of the entries
	since     time.Time     // when it began to sign
	missing   time.Duration // how much of PublishBefore it lacked then
	held      *Key          // the first configured key, if it waits
	heldUntil time.Time

	jwks jwks
}

// entry is a published key, and what the ring remembers of it until it leaves.
// The ephemeral key has an entry too, but is not published.
type entry struct {
	key          *Key // with its private half only while it is configured or signs
	configured   bool
	publishedAt  time.Time
	signingSince time.Time // zero: has not signed
	expires      time.Time // when the last assertion it may have signed does
}

func (e *entry) removeAt() time.Time { return e.expires.Add(retireAfter) }

// jwks is a rendered key set.
type jwks struct {
	body   []byte
	length string
	digest string // SHA-256 of the body in hex
	etag   string
	cache  string // Cache-Control
}

func newJWKS(list []*Key, maxAge time.Duration) jwks {
	body := renderJWKS(list)
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	return jwks{
		body: body, length: strconv.Itoa(len(body)), digest: digest, etag: `"` + digest + `"`,
		cache: fmt.Sprintf("public, max-age=%d, must-revalidate", int(maxAge.Seconds())),
	}
}

// ephemeralSnapshot signs with a key that is not published.
func ephemeralSnapshot(k *Key, now time.Time) (*snapshot, error) {
	signer, err := newSigner(k)
	if err != nil {
		return nil, err
	}
	return &snapshot{
		signer:  signer,
		since:   now,
		entries: []entry{{key: k, signingSince: now}},
		jwks:    newJWKS(nil, maxMaxAge),
	}, nil
}

func (s *snapshot) ephemeral() bool { return s.shared == nil && len(s.configured) == 0 }

func (s *snapshot) find(kid string) *entry {
	if i := slices.IndexFunc(s.entries, func(e entry) bool { return e.key.id == kid }); i >= 0 {
		return &s.entries[i]
	}
	return nil
}

// after returns the snapshot that follows s, which is nil at the start.
func (s *snapshot) after(configured []*Key, r Rotation, now time.Time) (*snapshot, error) {
	next := &snapshot{configured: configured, rotation: r}
	for _, k := range configured {
		e := entry{publishedAt: now}
		if known := s.published(k.id); known != nil {
			e = *known
		}
		e.key, e.configured = k, true
		next.entries = append(next.entries, e)
	}
	if err := next.chooseSigner(s, now); err != nil {
		return nil, err
	}
	next.retire(s, now)
	next.markSigner(s, now)
	if len(next.entries) > maxKeys {
		return nil, fmt.Errorf("%d keys would be published, of which verifiers read %d: %d of them are retired and leave by themselves, wait for that",
			len(next.entries), maxKeys, len(next.entries)-len(configured))
	}
	next.jwks = newJWKS(next.keys(), maxMaxAge)
	return next, nil
}

// published returns the entry of a key that verifiers may know.
func (s *snapshot) published(kid string) *entry {
	if s == nil || s.ephemeral() {
		return nil
	}
	return s.find(kid)
}

// chooseSigner decides between the first configured key and the one that signs.
func (s *snapshot) chooseSigner(old *snapshot, now time.Time) (err error) {
	first := &s.entries[0]
	due := first.publishedAt.Add(s.rotation.PublishBefore)
	early := due.Sub(now)
	switch {
	case old == nil:
		s.since = now // nobody has waited for any key yet
	case old.signer.key.id == first.key.id:
		s.since, s.missing = old.since, old.missing
	case s.rotation.HoldNew && !old.ephemeral() && early > 0:
		s.since, s.missing = old.since, old.missing
		s.held, s.heldUntil = first.key, due
		s.signer = old.signer
		return nil
	default:
		s.since, s.missing = now, max(early, 0)
	}
	s.signer, err = newSigner(first.key)
	return err
}

// retire takes over from the old snapshot the keys that are no longer
// configured and that verifiers still need. A key that never signed is not one
// of them.
func (s *snapshot) retire(old *snapshot, now time.Time) {
	if old == nil || old.ephemeral() {
		return
	}
	for _, e := range old.entries {
		if e.key.id == old.signer.key.id {
			e.expires = later(e.expires, now.Add(max(old.rotation.MaxTTL, s.rotation.MaxTTL)))
		}
		if own := s.find(e.key.id); own != nil {
			own.expires = e.expires
			continue
		}
		signs := e.key.id == s.signer.key.id
		if !signs && !now.Before(e.removeAt()) { // long ago for a key that never signed
			continue
		}
		e.configured = false
		if !signs {
			e.key = e.key.publicHalf()
		}
		s.entries = append(s.entries, e)
	}
}

// markSigner notes that a key signs. Requests that began under the old
// configuration may still make assertions of the old, longer life.
func (s *snapshot) markSigner(old *snapshot, now time.Time) {
	ttl := s.rotation.MaxTTL
	if old != nil {
		ttl = max(ttl, old.rotation.MaxTTL)
	}
	e := s.find(s.signer.key.id)
	e.signingSince = s.since
	e.expires = later(e.expires, now.Add(ttl))
}

// keys returns what is published, in order.
func (s *snapshot) keys() []*Key {
	if s == nil || s.ephemeral() {
		return nil
	}
	list := make([]*Key, len(s.entries))
	for i, e := range s.entries {
		list[i] = e.key
	}
	return list
}

// nextChange returns when time alone will change the snapshot; zero is never.
func (s *snapshot) nextChange() time.Time {
	if s.shared != nil {
		return s.shared.nextChange(s.signer.key.id)
	}
	next := s.heldUntil
	for _, e := range s.entries {
		if at := e.removeAt(); s.leaving(e) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// leaving reports whether a key stays only until its removeAt.
func (s *snapshot) leaving(e entry) bool {
	return !e.configured && e.key.id != s.signer.key.id
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
