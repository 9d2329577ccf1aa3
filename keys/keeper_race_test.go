package keys

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Twenty replicas that begin a ring at once begin one ring, which has one key
// that signs.
func TestReplicasBeginTogether(t *testing.T) {
	store := &memoryStore{}
	var replicas []*replica
	for range 20 {
		replicas = append(replicas, newReplica(t, store))
	}
	var running sync.WaitGroup
	start := make(chan struct{})
	for _, m := range replicas {
		running.Go(func() {
			<-start
			if err := m.step(); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	running.Wait()
	if len(store.written) != 1 {
		t.Errorf("%d documents were written", len(store.written))
	}
	want := replicas[0].ring.Status()
	for _, m := range replicas {
		if got := m.ring.Status(); m.ring.KeyID() != replicas[0].ring.KeyID() || got.JWKSDigest != want.JWKSDigest {
			t.Errorf("signs with %s, and others with %s", m.ring.KeyID(), replicas[0].ring.KeyID())
		}
	}
}

// While the keys of a shared ring follow one another, every signature verifies
// with the key that is published under its kid right after.
func TestSignDuringSharedRotation(t *testing.T) {
	const rotations, signers = 100, 4
	each := 250 // signatures of a signer by each key
	if raceEnabled {
		each = 25
		t.Log("under the race detector: 10000 signatures instead of 100000; -tags long has all of them")
	}
	var now atomic.Int64
	now.Store(began.UnixNano())
	clock := func() time.Time { return time.Unix(0, now.Load()) }
	ring := NewRing(RingOptions{Now: clock})
	keeper, err := NewKeeper(KeeperOptions{Ring: ring, Store: &memoryStore{}, Wrapper: keyFile(t, "E"), Schedule: Schedule{Algorithm: "EdDSA"}, Now: clock})
	if err != nil || keeper.Step(t.Context()) != nil {
		t.Fatal("the ring has not begun")
	}
	var running, turning sync.WaitGroup
	var rounds [signers]atomic.Int64
	var done atomic.Bool
	for i := range signers {
		running.Go(func() {
			parsed := map[string]map[string]ed25519.PublicKey{}
			for (rounds[i].Load() < int64(rotations*each) || !done.Load()) && !t.Failed() {
				if err := signAndVerify(t, ring, parsed); err != nil {
					t.Error(err)
				}
				rounds[i].Add(1)
			}
		})
	}
	turning.Go(func() {
		defer done.Store(true)
		var seen [signers]int64
		for n := range rotations {
			for i := range signers { // each has begun and ended a round since the last rotation
				for rounds[i].Load() < max(int64(n*each), seen[i]+2) && !t.Failed() {
					runtime.Gosched()
				}
			}
			now.Add(int64(defaultRotateEvery))
			ring.Advance()
			if err := keeper.Step(t.Context()); err != nil {
				t.Error(err)
			}
			for i := range signers {
				seen[i] = rounds[i].Load()
			}
		}
	})
	running.Wait()
	turning.Wait()
	if g := keeper.Status().Store.Generation; g != rotations+1 {
		t.Errorf("%d rotations", g-1)
	}
}

func signAndVerify(t *testing.T, ring *Ring, parsed map[string]map[string]ed25519.PublicKey) error {
	token, kid, err := ring.Sign(t.Context(), []byte(`{"sub":"u"}`))
	if err != nil {
		return err
	}
	answer := httptest.NewRecorder()
	ring.ServeHTTP(answer, httptest.NewRequest("GET", "/", nil))
	etag := answer.Header().Get("ETag")
	if parsed[etag] == nil {
		parsed[etag] = parseEd25519Set(t, answer.Body.Bytes())
	}
	public := parsed[etag][kid]
	end := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	header, _ := base64.RawURLEncoding.DecodeString(token[:strings.IndexByte(token, '.')])
	if public == nil || err != nil || !bytes.Contains(header, []byte(kid)) || !ed25519.Verify(public, []byte(token[:end]), signature) {
		return errors.New("a signature does not verify with the key that is published as " + kid)
	}
	return nil
}

func parseEd25519Set(t *testing.T, text []byte) map[string]ed25519.PublicKey {
	var set struct{ Keys []struct{ Kid, X string } }
	if err := json.Unmarshal(text, &set); err != nil {
		t.Error(err)
	}
	keys := map[string]ed25519.PublicKey{}
	for _, k := range set.Keys {
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			t.Errorf("%s: %v", text, err)
		}
		keys[k.Kid] = x
	}
	return keys
}

// Everything that a keeper and a ring can be asked at once, they can be asked at
// once.
func TestConcurrentUse(t *testing.T) {
	store := &memoryStore{}
	var replicas []*replica
	for range 3 {
		m := newReplica(t, store)
		m.mustStep()
		replicas = append(replicas, m)
	}
	var running sync.WaitGroup
	for _, m := range replicas {
		for _, f := range []func(int){
			func(int) { m.keeper.Step(t.Context()) },
			func(i int) { m.keeper.Use(Schedule{MaxTTL: time.Duration(1+i%5) * time.Minute}, keyFile(t, "E")) },
			func(i int) { m.keeper.Rotate(t.Context(), []Mode{ModePurge, ModeAvailability, ModePlanned}[i%3]) },
			func(int) { m.keeper.Status(); m.keeper.Read(t.Context()) },
			func(int) { m.ring.Advance(); m.ring.NextChange(); m.ring.Check(); m.jwks() },
			func(int) {
				if _, kid, err := m.ring.Sign(t.Context(), nil); err != nil || kid == "" {
					t.Error(err)
				}
			},
		} {
			running.Go(func() {
				for i := range 30 {
					f(i)
				}
			})
		}
	}
	running.Wait()
	seen := map[uint64]bool{}
	for _, text := range store.written {
		d, err := ParseDocument(text)
		if err != nil || seen[d.Generation] {
			t.Errorf("generation %d twice, %v", d.Generation, err)
		}
		seen[d.Generation] = true
	}
	for _, m := range replicas {
		m.mustStep()
		if m.ring.KeyID() != replicas[0].ring.KeyID() {
			t.Error("replicas sign with different keys")
		}
	}
}
