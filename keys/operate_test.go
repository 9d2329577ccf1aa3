package keys

import (
	"bytes"
	"context"
	"testing"
	"time"
)

// Replicas sign with a next key from its time on, also if no document says so
// yet. A command that comes in between sees who signs.
func TestCommandsSeeWhoSigns(t *testing.T) {
	for name, command := range map[string]func(*Keeper, string) error{
		"revoke the key that signs already": func(k *Keeper, signing string) error {
			if _, err := k.Revoke(context.Background(), signing); err == nil {
				t.Error("revoked")
			}
			return nil
		},
		"availability drops the key that signs": func(k *Keeper, signing string) error {
			change, err := k.Rotate(context.Background(), ModeAvailability)
			if change.After.find(signing) != nil {
				t.Error("the lost key stays")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t, &memoryStore{})
			if err := r.keeper.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.now = r.now.Add(defaultRotateEvery)
			r.ring.Advance()
			if err := command(r.keeper, r.ring.KeyID()); err != nil {
				t.Error(err)
			}
		})
	}
}

// After a purge nothing that was in the store opens what is there now.
func TestPurgeMakesANewDataKey(t *testing.T) {
	store := &memoryStore{}
	r := newReplica(t, store)
	if err := r.keeper.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := r.keeper.last.sealing.dataKey()
	r.now = r.now.Add(time.Hour)
	change, err := r.keeper.Rotate(t.Context(), ModePurge)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(change.After.sealing.dataKey(), old) {
		t.Error("the data key is the old one")
	}
	if err := r.keeper.Step(t.Context()); err != nil { // it is read back
		t.Error(err)
	}
}
