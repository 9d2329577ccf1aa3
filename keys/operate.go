package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Mode is how an operator wants a ring to be rotated out of turn.
type Mode string

const (
	// ModePlanned lets the next key sign soon. It needs a next key that has been
	// published for long enough, and costs nothing if all replicas in service have
	// read of that key: one that has been without its store since before then
	// gives out a key set without it. The key before it stays published for as
	// long as it would have been.
	ModePlanned Mode = "planned"
	// ModeAvailability is for a signing key that others may know: the next key
	// signs at once, the signing key leaves the key set at once. Assertions that
	// are on their way are refused where the key set is fetched again; verifiers
	// that already hold the next key do not fetch, and go on trusting the lost
	// one until they do.
	ModeAvailability Mode = "availability"
	// ModePurge is for a store that others may have read: the signing and the
	// next key leave at once, and a new key signs at once. Verifiers that fetch
	// when they meet an unknown kid drop the lost keys at once; others refuse
	// every assertion until they fetch anyway.
	ModePurge Mode = "purge"
)

// Change is what an operator's command made of a keyring. Before has no keys if
// there was none.
type Change struct{ Before, After Document }

// Rotate rotates out of turn. After an error the keyring is as it was, unless
// the error says that writing it failed, when it may have been written, or that
// it was written but lacks a key, which the replicas go on trying to make.
func (k *Keeper) Rotate(ctx context.Context, mode Mode) (Change, error) {
	return k.operate(ctx, func(d Document, now time.Time) (Document, error) {
		if len(d.Keys) == 0 {
			return d, errors.New("there is no keyring yet: start a replica, which begins one")
		}
		switch mode {
		case ModePlanned:
			return d.bringForward(k.schedule, now)
		case ModeAvailability:
			return d.replace(now)
		case ModePurge:
			d = d.without(StateSigning, StateNext)
			return d, k.reseal(&d) // whoever read the store may have the old data key
		}
		return d, fmt.Errorf("unknown mode %q: %s, %s or %s", mode, ModePlanned, ModeAvailability, ModePurge)
	})
}

// Revoke takes a key out of the key set at once: a retired one, or the next one,
// for which another is made, and which a replica without its store still signs
// with when its time comes. The signing key is an error, because something has
// to sign: Rotate replaces it.
func (k *Keeper) Revoke(ctx context.Context, kid string) (Change, error) {
	return k.operate(ctx, func(d Document, _ time.Time) (Document, error) {
		switch key := d.find(kid); {
		case key == nil:
			return d, fmt.Errorf("the keyring has no key %s", kid)
		case key.State == StateSigning:
			return d, fmt.Errorf("key %s signs: rotate in mode %s or %s, which replaces it", kid, ModeAvailability, ModePurge)
		}
		d = d.clone()
		d.Keys = slices.DeleteFunc(d.Keys, func(key DocumentKey) bool { return key.KeyID == kid })
		return d, nil
	})
}

// Import begins a keyring with configured keys: the first one signs, as it did;
// the others stay published for as long as one that has signed until now. It is
// an error if the store holds a keyring already.
func (k *Keeper) Import(ctx context.Context, set *Set) (Change, error) {
	if k.options.Module != nil {
		return Change{}, errors.New("keys cannot be taken into a cryptographic module: they would have been outside it; let it begin with its own")
	}
	return k.operate(ctx, func(d Document, now time.Time) (Document, error) {
		if len(d.Keys) != 0 {
			return d, errors.New("the store holds a keyring already: nothing is imported into one that is in use")
		}
		if err := k.begin(&d); err != nil {
			return d, err
		}
		for i, key := range set.keys {
			record, err := k.record(d, made{Key: key})
			if err != nil {
				return d, fmt.Errorf("key %s: %v", key.id, err)
			}
			record.State, record.PublishedAt, record.ActivateAt = StateSigning, now, now
			if i > 0 {
				record.retire(k.schedule, now)
			}
			d.Keys = append(d.Keys, record)
		}
		d.CompleteUntil = now.Add(k.schedule.RotateEvery)
		return d, nil
	})
}

// Read returns the document in the store, verified. Nothing is changed.
func (k *Keeper) Read(ctx context.Context) (Document, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	k.turn.Lock()
	defer k.turn.Unlock()
	seen, err := k.read(ctx)
	return seen.document, err
}

// operate applies an operator's command to what the keyring is now. Replicas
// sign with a next key from its time on; if no document says so yet, this one
// does, before the command looks at who signs.
func (k *Keeper) operate(ctx context.Context, f func(Document, time.Time) (Document, error)) (c Change, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	k.turn.Lock()
	defer k.turn.Unlock()
	err = k.change(ctx, func(d Document) (Document, error) {
		now := stamp(k.options.Now())
		c.Before = d
		if next := d.in(StateNext); next != nil && !now.Before(next.ActivateAt) {
			var missing []slot
			d, missing = plan(d, k.schedule, now)
			if _, err := k.fill(ctx, &d, missing); err != nil {
				return d, err
			}
		}
		return f(d, now)
	})
	if err == nil {
		c.After = *k.last
	}
	return c, err
}

// bringForward lets the next key sign as soon as all replicas can have heard of
// it. A replica that does not hear of it signs with the old key until the time
// it knows of, so that key stays for as long.
func (d Document) bringForward(s Schedule, now time.Time) (Document, error) {
	d = d.clone()
	old, next := d.in(StateSigning), d.in(StateNext)
	at := now.Add(s.Propagation())
	switch {
	case next == nil:
		return d, errors.New("there is no next key: it could not be made, see the log of the replicas")
	case next.ActivateAt.Before(at):
		return d, fmt.Errorf("key %s signs at %s anyway", next.KeyID, next.ActivateAt.Format(time.RFC3339))
	}
	if due := next.PublishedAt.Add(s.PublishBefore); due.After(at) {
		return d, fmt.Errorf("key %s has not been published for long enough: it can sign at %s without failures; if the signing key is lost, use mode %s or %s",
			next.KeyID, due.Format(time.RFC3339), ModeAvailability, ModePurge)
	}
	old.SignsUntil, next.ActivateAt = later(old.SignsUntil, next.ActivateAt), at
	return d, nil
}

// replace lets the next key sign in place of the signing one, which leaves.
func (d Document) replace(now time.Time) (Document, error) {
	next := d.in(StateNext)
	if next == nil {
		return d, fmt.Errorf("there is no next key to take over: use mode %s", ModePurge)
	}
	d = d.without(StateSigning)
	next = d.in(StateNext)
	next.State, next.ActivateAt = StateSigning, now
	return d, nil
}

func (d Document) without(states ...State) Document {
	d = d.clone()
	d.Keys = slices.DeleteFunc(d.Keys, func(k DocumentKey) bool { return slices.Contains(states, k.State) })
	return d
}
