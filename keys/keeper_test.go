package keys

import (
	"context"
	"testing"
	"time"
)

// A ring begins, signs at once, and lets its keys follow one another.
func TestKeeperRotates(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	kek, err := NewKeyFile([]byte("ZmFrZSBidXQgbG9uZyBlbm91Z2ggZm9yIGEga2V5IDE="))
	if err != nil {
		t.Fatal(err)
	}
	store := &memoryStore{now: clock}
	ring := NewRing(RingOptions{Now: clock})
	keeper, err := NewKeeper(KeeperOptions{Ring: ring, Store: store, Wrapper: kek, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	step := func() {
		t.Helper()
		if err := keeper.Step(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	step()
	first := ring.KeyID()
	states := func() (list []State) {
		for _, k := range ring.Status().Keys {
			list = append(list, k.State)
		}
		return list
	}
	t.Log(states(), string(store.document))
	now = now.Add(defaultRotateEvery)
	ring.Advance()
	t.Log(states())
	step()
	t.Log(states(), ring.KeyID() != first)
	now = now.Add(21 * time.Minute)
	step()
	t.Log(states())
}
