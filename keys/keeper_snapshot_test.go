package keys

import "testing"

// A key without its private half is not made the signing one, whatever a
// document says.
func TestSharedSnapshotNeedsPrivateKey(t *testing.T) {
	m := newReplica(t, &memoryStore{})
	m.mustStep()
	sh := *m.ring.current.Load().shared
	sh.keys = []*Key{sh.keys[0].publicHalf(), sh.keys[1]}
	if _, err := sharedSnapshot(nil, sh, m.now); err == nil {
		t.Error("a public key signs")
	}
}
