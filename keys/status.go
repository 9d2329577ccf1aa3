package keys

import "time"

// State is where a key is in its life.
type State string

// States of keys. A key that signed before this process started is "next" as
// long as it is configured: the ring remembers what it did itself.
const (
	StateNext          State = "next"           // has not signed, could
	StateSigning       State = "signing"        // signs
	StateRetired       State = "retired"        // has signed
	StatePublishedOnly State = "published-only" // configured as a public key
)

// Status is what a ring does, for metrics, readiness and people. It holds no
// private key.
type Status struct {
	Keys      []KeyStatus `json:"keys"`      // in the order of the key set; the ephemeral key too
	Ephemeral bool        `json:"ephemeral"` // the signing key is not published
	// JWKSDigest is the SHA-256 of the key set in lower-case hex, by which
	// replicas are compared; "" until keys are loaded.
	JWKSDigest string `json:"jwks_digest"`
	// MissingPublication is how long the signing key should still have been
	// published before it signed. It is 0 again once that time has passed.
	MissingPublication time.Duration `json:"missing_publication"`
	// HeldKey is the kid of a new first key that waits for HeldUntil.
	HeldKey   string    `json:"held_key,omitempty"`
	HeldUntil time.Time `json:"held_until,omitzero"`
	// Store is about the keyring that replicas share; nil for configured keys.
	Store *StoreStatus `json:"store,omitempty"`
}

// KeyStatus is one key of a [Status]. Times are zero for what has not happened
// in this process, or is not to be.
type KeyStatus struct {
	KeyID        string    `json:"kid"`
	Algorithm    string    `json:"alg"`
	State        State     `json:"state"`
	PublishedAt  time.Time `json:"published_at,omitzero"`
	ActivateAt   time.Time `json:"activate_at,omitzero"`   // when the next key of a shared ring begins to sign
	SigningSince time.Time `json:"signing_since,omitzero"` // when it last began to sign
	RemoveAt     time.Time `json:"remove_at,omitzero"`     // when a key that is no longer configured leaves
}

// Status returns what the ring does now.
func (r *Ring) Status() Status {
	s := r.current.Load()
	if s == nil {
		return Status{}
	}
	status := Status{Ephemeral: s.ephemeral(), JWKSDigest: s.jwks.digest, HeldUntil: s.heldUntil}
	if r.options.Now().Before(s.since.Add(s.missing)) {
		status.MissingPublication = s.missing
	}
	if s.held != nil {
		status.HeldKey = s.held.id
	}
	for _, e := range s.entries {
		status.Keys = append(status.Keys, s.statusOf(e))
	}
	return status
}

func (s *snapshot) statusOf(e entry) KeyStatus {
	k := KeyStatus{KeyID: e.key.id, Algorithm: e.key.Algorithm(), PublishedAt: e.publishedAt, SigningSince: e.signingSince}
	if s.shared != nil {
		return s.sharedStatus(k)
	}
	switch {
	case e.key.id == s.signer.key.id:
		k.State = StateSigning
	case !e.signingSince.IsZero():
		k.State = StateRetired
		if s.leaving(e) {
			k.RemoveAt = e.removeAt()
		}
	case e.key.Private():
		k.State = StateNext
	default:
		k.State = StatePublishedOnly
	}
	return k
}

// sharedStatus adds what the document says of a key. The next key signs from its
// time on, before the document says so.
func (s *snapshot) sharedStatus(k KeyStatus) KeyStatus {
	d := s.shared.document.find(k.KeyID)
	k.State, k.RemoveAt = d.State, d.RemoveAt
	switch signing := s.signer.key.id; {
	case k.KeyID == signing:
		k.State = StateSigning
	case d.State == StateSigning:
		k.State = StateRetired
	case d.State == StateNext:
		k.ActivateAt = d.ActivateAt
	}
	return k
}

// StoreStatus is how a [Keeper] gets on with its store.
type StoreStatus struct {
	Ring          string        `json:"ring,omitempty"`
	Generation    uint64        `json:"generation"` // of the document in use; 0 is none
	CompleteUntil time.Time     `json:"complete_until,omitzero"`
	Confirmed     time.Time     `json:"confirmed,omitzero"`     // when the store was last known to hold that document
	PublishUntil  time.Time     `json:"publish_until,omitzero"` // when the replica leaves service if it gets no news
	Skew          time.Duration `json:"clock_skew"`             // our clock minus the store's
	Rollbacks     uint64        `json:"rollbacks"`              // times the store held an older document, or none
	Errors        uint64        `json:"errors"`                 // turns that failed
	LastError     string        `json:"last_error,omitempty"`   // of the last turn; "" if it did not fail
}

// Status returns what the ring does now, and how the keeper gets on with the
// store.
func (k *Keeper) Status() Status {
	status := k.options.Ring.Status()
	k.statusMu.Lock()
	store := k.status
	k.statusMu.Unlock()
	if s := k.options.Ring.current.Load(); s != nil && s.shared != nil {
		d := s.shared.document
		store.Ring, store.Generation, store.CompleteUntil = d.Ring, d.Generation, d.CompleteUntil
		store.PublishUntil = s.shared.publishUntil().Add(-s.shared.notice())
	}
	status.Store = &store
	return status
}

// count changes what is counted.
func (k *Keeper) count(f func(*StoreStatus)) {
	k.statusMu.Lock()
	defer k.statusMu.Unlock()
	f(&k.status)
}

// report keeps the outcome of a turn. What goes on is logged once.
func (k *Keeper) report(err error) {
	k.statusMu.Lock()
	was := k.status.LastError
	k.status.LastError = ""
	if err != nil {
		k.status.Errors++
		k.status.LastError = err.Error()
	}
	now := k.status.LastError
	k.statusMu.Unlock()
	switch {
	case now != "" && now != was:
		k.options.Logger.Error("the keyring cannot be kept; the last good keys stay in use", "error", now)
	case now == "" && was != "":
		k.options.Logger.Info("the keyring is kept again")
	}
}
