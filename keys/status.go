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
}

// KeyStatus is one key of a [Status]. Times are zero for what has not happened
// in this process, or is not to be.
type KeyStatus struct {
	KeyID        string    `json:"kid"`
	Algorithm    string    `json:"alg"`
	State        State     `json:"state"`
	PublishedAt  time.Time `json:"published_at,omitzero"`
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
