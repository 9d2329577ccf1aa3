package keys

import (
	"errors"
	"fmt"
	"time"
)

// shared is what a ring knows of a document that replicas share.
type shared struct {
	document  Document
	schedule  Schedule
	keys      []*Key    // those of the document, in its order
	confirmed time.Time // when the store was last known to hold it
	frozen    bool      // our clock is wrong: only documents say who signs
}

// sharedSnapshot makes the snapshot of a document. The next key signs from its
// time on, whether the document has caught up with that or not.
func sharedSnapshot(old *snapshot, sh shared, now time.Time) (*snapshot, error) {
	s := &snapshot{shared: &sh, jwks: newJWKS(sh.keys, sh.schedule.maxAge())}
	signs := sh.document.in(StateSigning)
	if next := sh.document.in(StateNext); next != nil && !sh.frozen && !now.Before(next.ActivateAt) {
		signs = next
	}
	for i, k := range sh.document.Keys {
		e := entry{key: sh.keys[i], publishedAt: k.PublishedAt, expires: k.RemoveAt}
		if k.State != StateNext || k.KeyID == signs.KeyID {
			e.signingSince = k.ActivateAt
		}
		s.entries = append(s.entries, e)
	}
	s.since = signs.ActivateAt
	key := s.find(signs.KeyID).key
	if old != nil && old.signer.key == key {
		s.signer = old.signer
		return s, nil
	}
	if !key.Private() {
		return nil, fmt.Errorf("key %s is to sign and has no private half", key.id)
	}
	var err error
	s.signer, err = newSigner(key)
	return s, err
}

// nextChange returns when a key begins to sign by itself.
func (sh *shared) nextChange(signing string) time.Time {
	if next := sh.document.in(StateNext); next != nil && !sh.frozen && next.KeyID != signing {
		return next.ActivateAt
	}
	return time.Time{}
}

// horizon is when a key may begin to sign that is not in the document: not
// before its CompleteUntil, and not before one that was made after our last look
// has been published for long enough. With a wrong clock nothing is known of the
// time but how long ago that look was.
func (sh *shared) horizon() time.Time {
	if sh.frozen {
		return sh.heard()
	}
	return later(sh.document.CompleteUntil, sh.confirmed.Add(sh.schedule.PublishBefore))
}

// publishUntil is the last time at which what we publish is enough: a verifier
// that fetches then has to know the next key that it does not find when its copy
// is old.
func (sh *shared) publishUntil() time.Time {
	if sh.frozen {
		return sh.heard()
	}
	return later(sh.document.CompleteUntil.Add(-sh.schedule.PublishBefore), sh.heard())
}

// heard is how long our last look at the store is news.
func (sh *shared) heard() time.Time { return sh.confirmed.Add(sh.schedule.Propagation()) }

// notice is how long load balancers have to learn that a replica leaves service
// before it stops publishing.
func (sh *shared) notice() time.Duration { return sh.schedule.Propagation() / 5 }

// publishes returns why a key set is not to be given out.
func (s *snapshot) publishes(now func() time.Time) error {
	switch {
	case s == nil:
		return errNoKeys
	case s.shared == nil || now().Before(s.shared.publishUntil()):
		return nil
	}
	return fmt.Errorf("the keyring has not been read since %s, and by now others may have made keys that are not in it: the store must be reached again",
		s.shared.confirmed.UTC().Format(time.RFC3339))
}

// serves returns why nobody is to be sent here. It is notice earlier than
// publishes: a key set that is 503 is a failure wherever it is fetched.
func (s *snapshot) serves(now func() time.Time) error {
	if s == nil || s.shared == nil {
		return s.publishes(now)
	}
	return s.publishes(func() time.Time { return now().Add(s.shared.notice()) })
}

// signs returns why nothing is to be signed. Signing goes on for longer than
// publishing: whoever is on the way still gets an answer.
func (s *snapshot) signs(now func() time.Time) error {
	switch {
	case s == nil:
		return errNoKeys
	case s.shared == nil || now().Before(s.shared.horizon()):
		return nil
	}
	return errors.New("the keyring is out of date, verifiers may not know its keys: the store must be reached again")
}

var errNoKeys = errors.New("no signing keys are loaded yet")
