package keys

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// countedStore counts how often it is read.
type countedStore struct {
	Store
	loads atomic.Int64
}

func (s *countedStore) Load(ctx context.Context) (Version, error) {
	s.loads.Add(1)
	return s.Store.Load(ctx)
}

// watchedCount is one that tells of changes.
type watchedCount struct {
	*countedStore
	watch func(ctx context.Context, rev string) error
}

func (s watchedCount) Watch(ctx context.Context, rev string) error { return s.watch(ctx, rev) }

// running returns a ring that is kept, in a bubble of synctest, whose clock
// begins at midnight UTC 2000-01-01. It stops with the test.
func running(t *testing.T, store Store) (ring *Ring, keeper *Keeper, stop func()) {
	t.Helper()
	ring = NewRing(RingOptions{})
	keeper, err := NewKeeper(KeeperOptions{Ring: ring, Store: store, Wrapper: keyFile(t, "E")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		keeper.Run(ctx)
	}()
	synctest.Wait()
	return ring, keeper, func() {
		t.Helper()
		cancel()
		synctest.Wait()
		select {
		case <-done:
		default:
			t.Error("Run has not ended with its context")
		}
	}
}

// A key signs from the very moment that its document says, between two looks at
// the store. synctest fails if a goroutine is left.
func TestRunActivatesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring, _, stop := running(t, &memoryStore{})
		defer stop()
		first, at := ring.KeyID(), ring.NextChange()
		time.Sleep(time.Until(at) - 1)
		synctest.Wait()
		if ring.KeyID() != first {
			t.Error("the next key signs early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if ring.KeyID() == first {
			t.Error("the next key does not sign in time")
		}
		time.Sleep(23 * time.Minute) // a minute and a half after its time, at the latest
		synctest.Wait()
		if ring.Has(first) {
			t.Error("the old key has not left")
		}
	})
}

// The store is read every minute, give or take a half.
func TestRunPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &countedStore{Store: &memoryStore{}}
		_, _, stop := running(t, store)
		defer stop()
		pauses := map[time.Duration]bool{}
		for range 50 {
			before, since := store.loads.Load(), time.Now()
			for store.loads.Load() == before {
				time.Sleep(time.Second)
				synctest.Wait()
			}
			pause := time.Since(since)
			if pause < 29*time.Second || pause > 91*time.Second {
				t.Errorf("a pause of %v", pause)
			}
			pauses[pause] = true
		}
		if len(pauses) < 10 {
			t.Errorf("%d different pauses: replicas ask all at once", len(pauses))
		}
	})
}

// A new schedule is taken account of at once, and so is what others write.
func TestRunWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := &memoryStore{}
		ring, keeper, stop := running(t, watchedStore{memory})
		defer stop()
		time.Sleep(10 * time.Second)
		if err := keeper.Use(Schedule{MaxTTL: 10 * time.Minute}, keyFile(t, "E")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if d := documentIn(t, memory); time.Duration(d.in(StateSigning).MaxTTL) != 10*time.Minute {
			t.Error("a new schedule waits")
		}
		if err := keeper.Use(Schedule{MaxTTL: -1}, keyFile(t, "E")); err == nil {
			t.Error("a bad schedule is used")
		}
		time.Sleep(10 * time.Second)
		first := ring.KeyID()
		operator := newReplica(t, memory)
		operator.now = time.Now()
		if _, err := operator.keeper.Rotate(t.Context(), ModeAvailability); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if ring.KeyID() == first {
			t.Error("a change that the store tells of waits")
		}
	})
}

// A store that always tells of changes, or that holds what cannot be believed,
// is not asked without a pause.
func TestRunIsNotDriven(t *testing.T) {
	for name, watch := range map[string]func(*memoryStore) Store{
		"changes all the time": func(m *memoryStore) Store {
			return watchedCount{&countedStore{Store: m}, func(context.Context, string) error { return nil }}
		},
		"cannot tell": func(m *memoryStore) Store {
			return watchedCount{&countedStore{Store: m}, func(context.Context, string) error { return errors.New("no") }}
		},
		"is damaged": func(m *memoryStore) Store {
			return watchedCount{&countedStore{Store: m}, watchedStore{m}.Watch}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := &memoryStore{}
				store := watch(memory).(watchedCount)
				_, _, stop := running(t, store)
				defer stop()
				if name == "is damaged" {
					memory.replace([]byte("damage"))
				}
				before := store.loads.Load()
				time.Sleep(10 * time.Minute)
				if n := store.loads.Load() - before; n < 6 || n > 101 {
					t.Errorf("it was read %d times in 10 minutes", n)
				}
			})
		})
	}
}

// Without its store Run goes on asking, and keys change by themselves.
func TestRunWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memoryStore{}
		ring, keeper, stop := running(t, store)
		defer stop()
		var down atomic.Bool
		store.mu.Lock()
		store.fail = func(bool) error {
			if down.Load() {
				return errCut
			}
			return nil
		}
		store.mu.Unlock()
		down.Store(true)
		first := ring.KeyID()
		time.Sleep(8 * 24 * time.Hour)
		if ring.KeyID() == first || ring.Check() != nil {
			t.Errorf("the next key does not sign: %v", ring.Check())
		}
		if s := keeper.Status().Store; s.LastError == "" || s.Errors < 1000 {
			t.Errorf("status: %+v", s)
		}
		down.Store(false)
		time.Sleep(2 * time.Minute)
		if s := keeper.Status().Store; s.LastError != "" || s.Generation != 2 {
			t.Errorf("status: %+v", s)
		}
	})
}
