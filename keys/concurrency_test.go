package keys_test

import (
	"crypto"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"

	"privyseal/keys"
)

// While keys rotate, every signature verifies under the kid it came with, and
// that kid is in the key set that is served right after: a key that signs is
// published until long after its last signature.
func TestSignDuringRotation(t *testing.T) {
	const rotations, signers = 60, 4
	publics := map[string]crypto.PublicKey{}
	var sets []*keys.Set
	for range rotations {
		k := newKey(t, "EdDSA")
		publics[k.KeyID()] = k.Public()
		sets = append(sets, setOf(t, k))
	}
	ring := keys.NewRing(keys.RingOptions{})
	if err := ring.Use(sets[0], keys.Rotation{}); err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	var signed atomic.Int64
	var running sync.WaitGroup
	for range signers {
		running.Go(func() {
			for !done.Load() {
				token, kid, err := ring.Sign(t.Context(), []byte("{}"))
				if err != nil || !verifies(publics[kid], token) {
					t.Errorf("kid %s: %v", kid, err)
					return
				}
				if !served(t, ring, kid) {
					t.Errorf("kid %s signed and is not published", kid)
					return
				}
				signed.Add(1)
			}
		})
	}
	for i, set := range sets[1:] {
		for signed.Load() < int64(i*20) && !t.Failed() { // let every key sign
			ring.Advance()
		}
		if err := ring.Use(set, keys.Rotation{HoldNew: i%7 == 0}); err != nil {
			t.Error(err)
		}
		_, _ = ring.Status(), ring.NextChange()
	}
	done.Store(true)
	running.Wait()
	if signed.Load() == 0 {
		t.Error("nothing was signed")
	}
}

func served(t *testing.T, ring *keys.Ring, kid string) bool {
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(jwksOf(t, ring), &set); err != nil {
		t.Error(err)
	}
	for _, k := range set.Keys {
		if k.Kid == kid {
			return true
		}
	}
	return false
}
