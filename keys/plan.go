package keys

import (
	"slices"
	"time"
)

// slot is a key that a document lacks.
type slot struct {
	State         State // StateNext or StateSigning
	Algorithm     string
	PublishedAt   time.Time
	ActivateAt    time.Time
	CompleteUntil time.Time // of the document with the key
}

// plan returns what a document should be now, and the keys that are to be added
// to it. It is the whole of rotation: a pure function, which all replicas apply
// to the same document and of which the store takes one result.
//
//   - Where no key signs, a new one signs at once: at the start, when nobody has
//     waited for any other, and after a purge.
//   - A next key whose time has come signs; the one before it retires and leaves
//     when the last assertion it can have signed has expired everywhere.
//   - There always is a next key, so that every key has been published for as
//     long as the one before it signed. It never signs before the document's
//     CompleteUntil, nor before it has been published for PublishBefore.
//
// What cannot be had is left out: without a next key, the signing one goes on.
// The generation is for whoever writes the document.
func plan(d Document, s Schedule, now time.Time) (next Document, missing []slot) {
	now = stamp(now)
	d = d.clone()
	d.raiseTTL(s)
	d.postpone(s, now)
	d.promote(s, now)
	d.Keys = slices.DeleteFunc(d.Keys, func(k DocumentKey) bool {
		return k.State == StateRetired && !now.Before(k.RemoveAt)
	})
	d.sort()
	switch {
	case d.in(StateSigning) == nil:
		missing = append(missing, s.slot(StateSigning, now, now), s.slot(StateNext, now, now.Add(s.RotateEvery)))
	case d.in(StateNext) == nil:
		missing = append(missing, s.slot(StateNext, now, later(d.CompleteUntil, now.Add(s.PublishBefore))))
	}
	return d, missing
}

func (s Schedule) slot(state State, published, activate time.Time) slot {
	return slot{
		State: state, Algorithm: s.Algorithm, PublishedAt: published, ActivateAt: activate,
		CompleteUntil: activate.Add(s.RotateEvery),
	}
}

// raiseTTL notes how long assertions live that the signing key may sign. It
// never falls: some replica may still sign for longer.
func (d *Document) raiseTTL(s Schedule) {
	if k := d.in(StateSigning); k != nil && Duration(s.MaxTTL) > k.MaxTTL {
		k.MaxTTL = Duration(s.MaxTTL)
	}
}

// postpone gives a next key more time if PublishBefore has become longer, while
// there is time for all replicas to hear of it.
func (d *Document) postpone(s Schedule, now time.Time) {
	k := d.in(StateNext)
	if k == nil || !now.Before(k.ActivateAt.Add(-s.Propagation())) {
		return
	}
	if due := k.PublishedAt.Add(s.PublishBefore); due.After(k.ActivateAt) {
		k.ActivateAt = due
		d.CompleteUntil = later(d.CompleteUntil, due.Add(s.RotateEvery))
	}
}

// promote lets the next key sign if its time has come.
func (d *Document) promote(s Schedule, now time.Time) {
	old, k := d.in(StateSigning), d.in(StateNext)
	if old == nil || k == nil || now.Before(k.ActivateAt) {
		return
	}
	old.retire(s, later(old.SignsUntil, k.ActivateAt))
	k.State, k.MaxTTL = StateSigning, Duration(s.MaxTTL)
}

// retire lets a key sign no longer than until end. Its private half is of no
// more use.
func (k *DocumentKey) retire(s Schedule, end time.Time) {
	k.State, k.private, k.reference = StateRetired, nil, nil
	k.RemoveAt = end.Add(s.retireAfter(max(time.Duration(k.MaxTTL), s.MaxTTL)))
}

// fill adds a key that was missing.
func (d *Document) fill(s slot, k DocumentKey) {
	k.State, k.PublishedAt, k.ActivateAt = s.State, s.PublishedAt, s.ActivateAt
	d.Keys = append(d.Keys, k)
	d.CompleteUntil = later(d.CompleteUntil, s.CompleteUntil)
	d.sort()
}

// same reports whether two documents say the same of their keys. Private halves
// change only with states.
func (d Document) same(other Document) bool {
	return d.CompleteUntil.Equal(other.CompleteUntil) && slices.EqualFunc(d.Keys, other.Keys, func(a, b DocumentKey) bool {
		return a.KeyID == b.KeyID && a.State == b.State && a.ActivateAt.Equal(b.ActivateAt) &&
			a.SignsUntil.Equal(b.SignsUntil) && a.MaxTTL == b.MaxTTL && a.RemoveAt.Equal(b.RemoveAt)
	})
}

// stamp is a time as documents hold it.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
