package keys

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Document is the state of a shared ring, as its [Store] holds it. It says of
// every key when it signs, so that replicas need not agree about anything else.
// Printing or encoding it shows no private key, sealed or not.
//
// Its promise is CompleteUntil: no key signs before then that is not in the
// document, unless an operator rotates out of turn. So a replica that cannot
// reach the store knows for how long what it publishes is enough.
type Document struct {
	Version       int           `json:"version"`
	Ring          string        `json:"ring"`       // random name, 32 hex digits
	Generation    uint64        `json:"generation"` // counts the documents of the ring from 1
	WrittenAt     time.Time     `json:"written_at"`
	CompleteUntil time.Time     `json:"complete_until"`
	Keys          []DocumentKey `json:"keys"` // the signing one, the next one, the retired ones

	// sealing seals the private halves and authenticates the document; dataKey
	// is what it is made of, wrapped. Both are nil if they are in the clear.
	sealing *protection
	dataKey []byte
}

// DocumentKey is one key of a [Document].
type DocumentKey struct {
	KeyID     string `json:"kid"`
	Algorithm string `json:"alg"`
	State     State  `json:"state"`  // next, signing or retired
	Public    []byte `json:"public"` // SubjectPublicKeyInfo

	PublishedAt time.Time `json:"published_at"`
	// ActivateAt is when every replica begins to sign with the key by itself.
	ActivateAt time.Time `json:"activate_at,omitzero"`
	// SignsUntil is how long replicas may sign with the key that have not heard
	// of an earlier end. It is set when a rotation is brought forward.
	SignsUntil time.Time `json:"signs_until,omitzero"`
	// MaxTTL is the longest life of an assertion that the key has signed.
	MaxTTL Duration `json:"max_ttl,omitempty"`
	// RemoveAt is when a retired key leaves, fixed when it retires.
	RemoveAt time.Time `json:"remove_at,omitzero"`

	// private returns the private half as PKCS#8, sealed with the data key if
	// there is one; reference returns by what a cryptographic module finds it.
	// One of them is nil, both are in a retired key, which has no more use for
	// its private half.
	private, reference func() []byte
}

// Duration is written as Go writes durations, because people read documents.
type Duration time.Duration

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// validate checks what plan relies on.
func (d *Document) validate() error {
	count := map[State]int{}
	seen := map[string]bool{}
	for _, k := range d.Keys {
		if seen[k.KeyID] {
			return fmt.Errorf("the document is damaged: key %s is there twice", k.KeyID)
		}
		seen[k.KeyID] = true
		count[k.State]++
		if k.State != StateNext && k.State != StateSigning && k.State != StateRetired {
			return fmt.Errorf("the document is damaged: key %s has no known state", k.KeyID)
		}
	}
	switch {
	case d.Version != documentVersion || d.Ring == "" || d.Generation == 0:
		return errors.New("the document is damaged: version, ring or generation is missing")
	case count[StateSigning] != 1 || count[StateNext] > 1 || len(d.Keys) > maxKeys:
		return fmt.Errorf("the document is damaged: of %d keys, %d sign and %d are next", len(d.Keys), count[StateSigning], count[StateNext])
	}
	return nil
}

// before reports whether a document is an earlier one than another, or one of
// another past: after a backup was restored, somebody who did not know the later
// ones may have written one of the same generation.
func (d Document) before(other Document) bool {
	return d.Generation < other.Generation || d.Generation == other.Generation && !d.same(other)
}

// in returns the key of a state of which there is at most one, or nil.
func (d *Document) in(state State) *DocumentKey {
	if i := slices.IndexFunc(d.Keys, func(k DocumentKey) bool { return k.State == state }); i >= 0 {
		return &d.Keys[i]
	}
	return nil
}

// find returns the key with a kid, or nil.
func (d *Document) find(kid string) *DocumentKey {
	if i := slices.IndexFunc(d.Keys, func(k DocumentKey) bool { return k.KeyID == kid }); i >= 0 {
		return &d.Keys[i]
	}
	return nil
}

// clone returns a copy whose keys can be changed.
func (d Document) clone() Document {
	d.Keys = slices.Clone(d.Keys)
	return d
}

// sort puts the keys into the order of the key set: signing, next, and the
// retired ones, the last to leave first.
func (d *Document) sort() {
	rank := map[State]int{StateSigning: 0, StateNext: 1, StateRetired: 2}
	slices.SortStableFunc(d.Keys, func(a, b DocumentKey) int {
		if a.State != b.State {
			return rank[a.State] - rank[b.State]
		}
		return b.RemoveAt.Compare(a.RemoveAt)
	})
}
