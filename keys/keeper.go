package keys

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// storeTimeout bounds one exchange with the store and what goes with it.
const storeTimeout = 10 * time.Second

// Keeper keeps the keys of a [Ring] in a [Store] that replicas share, and lets
// them follow one another by a [Schedule]. Every replica has one. There is no
// leader: all of them read the same document, make the same plan, and the store
// takes the result of one.
//
// A keeper never takes a key away because something failed. If the store cannot
// be reached, or holds what cannot be believed, the ring goes on with the last
// good document until its promise ends; see [Ring.Check].
type Keeper struct {
	options KeeperOptions
	wake    chan struct{}

	turn     sync.Mutex // one turn at a time; guards what follows
	schedule Schedule
	rev      string          // of the document in the store; "" is none
	last     *Document       // the newest that was believed
	opened   map[string]*Key // by kid, those of last
	spare    []made          // keys for which somebody was faster
	unsure   []made          // keys that may be in the document that follows unsureOf
	unsureOf string
	calls    chan struct{} // to the module that have not returned

	statusMu sync.Mutex
	status   StoreStatus
}

// KeeperOptions are what a keeper is made of.
type KeeperOptions struct {
	Ring  *Ring
	Store Store
	// Wrapper encrypts the keys in the store. Nil leaves them in the clear.
	Wrapper Wrapper
	// Module makes the private keys and signs. Nil: they are made here.
	Module   Module
	Schedule Schedule

	Now    func() time.Time // default time.Now
	Rand   io.Reader        // for keys and names; default crypto/rand.Reader
	Logger *slog.Logger     // default: discarded
}

// NewKeeper returns a keeper that has done nothing yet. An error of the schedule
// implements interface{ OptionPath() string }.
func NewKeeper(o KeeperOptions) (*Keeper, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	schedule, err := o.Schedule.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Keeper{options: o, schedule: schedule, wake: make(chan struct{}, 1), opened: map[string]*Key{}, calls: make(chan struct{}, moduleCalls)}, nil
}

// Use replaces the schedule and the key-encryption key. Times that are written
// down stay as they are; what is longer now is taken account of at once. The next
// document that is written is encrypted with the new key.
func (k *Keeper) Use(s Schedule, w Wrapper) error {
	s, err := s.withDefaults()
	if err != nil {
		return err
	}
	if (w == nil) != (k.options.Wrapper == nil) {
		return optionError{"encryption", "cannot be switched on or off for a keyring that exists"}
	}
	k.turn.Lock()
	changed := k.schedule != s
	k.schedule, k.options.Wrapper = s, w
	k.turn.Unlock()
	if changed {
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// Schedule returns the schedule in force, with its defaults.
func (k *Keeper) Schedule() Schedule {
	k.turn.Lock()
	defer k.turn.Unlock()
	return k.schedule
}

// Step takes one turn: it reads the document, gives it to the ring, and writes
// what the schedule makes of it. [Keeper.Run] does so for ever.
func (k *Keeper) Step(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	k.turn.Lock()
	defer k.turn.Unlock()
	err := k.change(ctx, func(d Document) (Document, error) { return d, nil })
	k.report(err)
	return err
}

// change reads the document, applies f and the schedule to it, and writes it if
// that makes a difference. It begins anew when somebody was faster.
func (k *Keeper) change(ctx context.Context, f func(Document) (Document, error)) error {
	const attempts = 20
	for range attempts {
		seen, err := k.read(ctx)
		if err != nil {
			return err
		}
		if !seen.steady {
			return errClock
		}
		if err = k.write(ctx, seen, f); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("the keyring was changed by others %d times in a row; the next turn tries again", attempts)
}

// reading is what a look at the store has found.
type reading struct {
	document Document // without keys if the ring is to be begun
	restore  bool     // it is ours: the store has lost it
	steady   bool     // our clock is good enough to change something
}

// read looks at the store and gives the ring what it holds.
func (k *Keeper) read(ctx context.Context) (reading, error) {
	asked := k.options.Now()
	v, err := k.options.Store.Load(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return reading{}, fmt.Errorf("reading the keyring: %w", err)
	}
	k.rev = v.Revision
	k.resolve()
	seen := reading{steady: k.compareClocks(asked, v.Time)}
	if err != nil {
		if seen.restore = k.last != nil; seen.restore {
			k.lost("the keyring has vanished from its store; it is written anew", 0)
			seen.document = *k.last
		}
		return seen, nil
	}
	if seen.document, err = k.believe(ctx, v.Document); err != nil {
		return seen, err
	}
	if k.last != nil && seen.document.before(*k.last) {
		k.lost("the store holds an older keyring than before; the newer one is written again", seen.document.Generation)
		seen.document, seen.restore = *k.last, true
		return seen, nil
	}
	return seen, k.adopt(ctx, seen.document, asked, !seen.steady)
}

// resolve finds out whether the last swap, whose answer was lost, has written its
// keys. They are of use if it has not: keys cost room in a module. If it has, they
// are in the document, or an operator has taken them away since.
func (k *Keeper) resolve() {
	if k.rev == k.unsureOf {
		k.spare = append(k.spare, k.unsure...)
	}
	k.unsure = nil
}

func (k *Keeper) lost(message string, generation uint64) {
	k.options.Logger.Error(message, "generation", generation, "newest", k.last.Generation)
	k.count(func(s *StoreStatus) { s.Rollbacks++ })
}

// compareClocks reports whether our clock agrees with the store's.
func (k *Keeper) compareClocks(asked, store time.Time) bool {
	if store.IsZero() {
		return true
	}
	now := k.options.Now()
	skew := asked.Add(now.Sub(asked) / 2).Sub(store)
	k.count(func(s *StoreStatus) { s.Skew = skew })
	return skew.Abs() <= maxSkew
}

var errClock = fmt.Errorf("this clock and the store's differ by more than %v: no key is made, begins to sign or is removed by it until it is set", maxSkew)

// believe reads a document and verifies that it is genuine.
func (k *Keeper) believe(ctx context.Context, text []byte) (Document, error) {
	sealed, d, err := decode(text)
	if err != nil {
		return d, fmt.Errorf("the keyring in the store: %v", err)
	}
	if k.last != nil && d.dataKey != nil && bytes.Equal(d.dataKey, k.last.dataKey) {
		d.sealing = k.last.sealing
	} else if d.sealing, err = unwrap(ctx, k.options.Wrapper, d); err != nil {
		return d, fmt.Errorf("the keyring in the store: %w", err)
	}
	if err := sealed.verify(d.sealing); err != nil {
		return d, fmt.Errorf("the keyring in the store: %v", err)
	}
	if k.last != nil && d.Ring != k.last.Ring {
		return d, fmt.Errorf("the store holds another keyring (%s) than the one in use (%s): restore the document, or restart all replicas to use the other one", d.Ring, k.last.Ring)
	}
	return d, nil
}

// adopt gives a document to the ring. confirmed is when the store held it.
func (k *Keeper) adopt(ctx context.Context, d Document, confirmed time.Time, frozen bool) error {
	opened := map[string]*Key{}
	list := make([]*Key, len(d.Keys))
	for i, key := range d.Keys {
		var err error
		if list[i], err = k.open(ctx, d, key); err != nil {
			return fmt.Errorf("the keyring in the store: key %s: %w", key.KeyID, err)
		}
		opened[key.KeyID] = list[i]
	}
	err := k.options.Ring.share(shared{document: d, schedule: k.schedule, keys: list, confirmed: confirmed, frozen: frozen})
	if err != nil {
		return err
	}
	k.last, k.opened = &d, opened
	k.spare = slices.DeleteFunc(k.spare, func(m made) bool { return d.find(m.id) != nil })
	k.count(func(s *StoreStatus) { s.Confirmed = confirmed })
	return nil
}

// write applies a change and the schedule to what was read, and swaps the result
// in if it is different. What cannot be made is an error, but does not keep the
// rest from being written.
func (k *Keeper) write(ctx context.Context, seen reading, f func(Document) (Document, error)) error {
	now := k.options.Now()
	next, err := f(seen.document)
	if err != nil {
		return err
	}
	next, missing := plan(next, k.schedule, now)
	if next.Ring == "" {
		if err := k.begin(&next); err != nil {
			return err
		}
	}
	fresh, lacking := k.fill(ctx, &next, missing)
	if next.in(StateSigning) == nil || !seen.restore && next.same(seen.document) {
		return lacking
	}
	rev := k.rev
	switch err = k.swap(ctx, next, now); {
	case errors.Is(err, ErrConflict):
		k.spare = append(k.spare, fresh...) // certain not to have been written
	case err != nil:
		k.unsure, k.unsureOf = fresh, rev
	case lacking != nil:
		return fmt.Errorf("the keyring was written, but lacks a key: %w", lacking)
	}
	return err
}

// fill makes the keys that a document lacks, as far as they can be made.
func (k *Keeper) fill(ctx context.Context, d *Document, missing []slot) (fresh []made, err error) {
	for _, slot := range missing {
		m, err := k.make(ctx, slot.Algorithm)
		if err != nil {
			return fresh, fmt.Errorf("making a key: %w", err)
		}
		fresh = append(fresh, m)
		record, err := k.record(*d, m)
		if err != nil {
			return fresh, fmt.Errorf("making a key: %w", err)
		}
		d.fill(slot, record)
		k.opened[m.id] = m.Key
	}
	return fresh, nil
}

// begin names a new ring and makes its data key.
func (k *Keeper) begin(d *Document) error {
	name := make([]byte, 16)
	if _, err := io.ReadFull(k.options.Rand, name); err != nil {
		return errors.New("no randomness to name the keyring with")
	}
	d.Ring = hex.EncodeToString(name)
	return k.reseal(d)
}

// reseal gives a document without private halves a new data key.
func (k *Keeper) reseal(d *Document) (err error) {
	if d.sealing, d.dataKey = nil, nil; k.options.Wrapper != nil {
		d.sealing, err = makeProtection()
	}
	return err
}

// swap writes a document and uses it. The data key is wrapped anew each time, so
// that a new key-encryption key comes into use.
func (k *Keeper) swap(ctx context.Context, d Document, now time.Time) error {
	d.Version, d.WrittenAt = documentVersion, stamp(now)
	d.Generation++
	if d.sealing != nil {
		wrapped, err := k.options.Wrapper.Wrap(ctx, d.sealing.dataKey(), aboutDataKey(d.Ring))
		if err != nil {
			return fmt.Errorf("writing the keyring: %w", err)
		}
		d.dataKey = wrapped
	}
	if err := d.validate(); err != nil {
		return err
	}
	text, err := d.encode()
	if err != nil {
		return err
	}
	rev, err := k.options.Store.Swap(ctx, text, k.rev)
	if err != nil {
		return fmt.Errorf("writing the keyring: %w", err)
	}
	k.rev = rev
	return k.adopt(ctx, d, now, false)
}
