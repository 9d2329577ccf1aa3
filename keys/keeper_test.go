package keys

import (
	"strings"
	"testing"
	"time"
)

// A ring begins, signs at once, and lets its keys follow one another.
func TestKeeperRotates(t *testing.T) {
	store := &memoryStore{}
	m := newReplica(t, store)
	m.mustStep()
	m.wantStates("signing next")
	first := m.ring.KeyID()
	m.now = m.now.Add(defaultRotateEvery)
	m.ring.Advance()
	m.wantStates("retired signing") // before the document says so
	m.mustStep()
	m.wantStates("signing next retired")
	if m.ring.KeyID() == first {
		t.Error("the first key still signs")
	}
	m.now = m.now.Add(21 * time.Minute)
	m.mustStep()
	m.wantStates("signing next")
	if m.ring.Has(first) {
		t.Error("the first key has not left")
	}
	for _, e := range m.ring.current.Load().entries {
		if !e.key.Private() {
			t.Errorf("%v cannot sign", e.key)
		}
	}
}

func (m *replica) wantStates(want string) {
	m.t.Helper()
	var got []string
	for _, k := range m.ring.Status().Keys {
		got = append(got, string(k.State))
	}
	if strings.Join(got, " ") != want {
		m.t.Errorf("states %q, want %q", got, want)
	}
}

// A turn that changes nothing writes nothing.
func TestKeeperWritesNothingNew(t *testing.T) {
	store := &memoryStore{}
	m := newReplica(t, store)
	for range 100 {
		m.mustStep()
		m.now = m.now.Add(time.Minute)
	}
	if len(store.written) != 1 {
		t.Errorf("%d documents were written", len(store.written))
	}
}

// Retired keys have no private half, neither in memory nor in the store, and a
// replica that starts needs none.
func TestKeeperForgetsPrivateHalves(t *testing.T) {
	store, m := rotated(t)
	starting := newReplica(t, store)
	starting.now = m.now
	starting.mustStep()
	for _, r := range []*replica{m, starting} {
		r.wantStates("signing next retired")
		for _, e := range r.ring.current.Load().entries {
			if retired := e.key.id == documentIn(t, store).in(StateRetired).KeyID; e.key.Private() == retired {
				t.Errorf("retired %v, private half %v", retired, e.key.Private())
			}
		}
	}
	if documentIn(t, store).in(StateRetired).private != nil {
		t.Error("the store has the private half of a retired key")
	}
}

// What an operator can do, and what is refused with a reason.
func TestKeeperOperates(t *testing.T) {
	other, err := Generate("ES256", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		after time.Duration // the ring began
		do    func(*replica) (Change, error)
		want  string // states afterwards
		says  string // or why not
	}{
		"planned, published for long enough": {26 * time.Hour, rotateIn(ModePlanned), "signing next", ""},
		"planned, too soon":                  {25 * time.Hour, rotateIn(ModePlanned), "", "not been published for long enough"},
		"planned, at its term anyway":        {168*time.Hour - time.Minute, rotateIn(ModePlanned), "", "anyway"},
		"availability":                       {time.Minute, rotateIn(ModeAvailability), "signing next", ""},
		"purge":                              {time.Minute, rotateIn(ModePurge), "signing next", ""},
		"an unknown mode":                    {0, rotateIn("x"), "", "unknown mode"},
		"revoke the next key":                {0, func(m *replica) (Change, error) { return m.keeper.Revoke(m.t.Context(), m.next()) }, "signing next", ""},
		"revoke the signing key":             {0, func(m *replica) (Change, error) { return m.keeper.Revoke(m.t.Context(), m.ring.KeyID()) }, "", "rotate in mode"},
		"revoke an unknown key":              {0, func(m *replica) (Change, error) { return m.keeper.Revoke(m.t.Context(), "x") }, "", "has no key x"},
		"import into a ring":                 {0, func(m *replica) (Change, error) { return m.keeper.Import(m.t.Context(), &Set{keys: []*Key{other}}) }, "", "already"},
	} {
		t.Run(name, func(t *testing.T) {
			store := &memoryStore{}
			m := newReplica(t, store)
			m.mustStep()
			m.now = m.now.Add(test.after)
			before := documentIn(t, store)
			change, err := test.do(m)
			if test.says != "" {
				wantSays(t, err, test.says)
				if !documentIn(t, store).same(*before) {
					t.Error("the keyring has changed")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m.wantStates(test.want)
			if !change.Before.same(*before) || !change.After.same(*documentIn(t, store)) {
				t.Error("the change is not what has changed")
			}
			wantLeft(t, name, change)
		})
	}
}

func rotateIn(mode Mode) func(*replica) (Change, error) {
	return func(m *replica) (Change, error) { return m.keeper.Rotate(m.t.Context(), mode) }
}

// wantLeft checks which keys a command took out of the key set.
func wantLeft(t *testing.T, command string, c Change) {
	t.Helper()
	signing, next := c.Before.in(StateSigning).KeyID, c.Before.in(StateNext).KeyID
	want := map[string][2]bool{ // that the signing and the next key are still there
		"planned, published for long enough": {true, true}, "availability": {false, true}, "purge": {false, false}, "revoke the next key": {true, false},
	}[command]
	if got := [2]bool{c.After.find(signing) != nil, c.After.find(next) != nil}; got != want {
		t.Errorf("signing and next key are there: %v, want %v", got, want)
	}
}

// An imported ring goes on signing with the configured key.
func TestKeeperImports(t *testing.T) {
	var list []*Key
	for range 2 {
		k, err := Generate("ES256", nil)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, k)
	}
	store := &memoryStore{}
	m := newReplica(t, store)
	if _, err := m.keeper.Import(t.Context(), &Set{keys: []*Key{list[0], list[1].publicHalf()}}); err != nil {
		t.Fatal(err)
	}
	starting := newReplica(t, store)
	starting.mustStep()
	for _, r := range []*replica{m, starting} {
		if r.ring.KeyID() != list[0].id || !r.ring.Has(list[1].id) {
			t.Errorf("signs with %s", r.ring.KeyID())
		}
		r.wantStates("signing next retired")
	}
	module := newReplica(t, &memoryStore{}, func(o *KeeperOptions) { o.Module = newFakeModule() })
	_, err := module.keeper.Import(t.Context(), &Set{keys: list})
	wantSays(t, err, "module")
	empty := newReplica(t, &memoryStore{})
	_, err = empty.keeper.Rotate(t.Context(), ModePurge)
	wantSays(t, err, "no keyring yet")
}

// Each write wraps the data key anew, so that a new key-encryption key comes
// into use; a replica that has the data key needs none.
func TestKeeperWrapsAnew(t *testing.T) {
	store, m := rotated(t)
	var documents []Document
	for _, text := range store.written {
		d, err := ParseDocument(text)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, d)
	}
	if string(documents[0].dataKey) == string(documents[1].dataKey) {
		t.Error("the data key is wrapped as before")
	}
	m.keeper.options.Wrapper = keyFile(t, "I")
	m.mustStep()
	if _, err := m.keeper.Rotate(t.Context(), ModeAvailability); err != nil {
		t.Fatal(err)
	}
	starting := newReplica(t, store, func(o *KeeperOptions) { o.Wrapper = keyFile(t, "I") })
	starting.mustStep()
}

// A ring is of configured keys or of shared ones for as long as the process
// lives.
func TestRingKeepsItsKind(t *testing.T) {
	m := newReplica(t, &memoryStore{})
	m.mustStep()
	k, err := Generate("ES256", nil)
	if err != nil {
		t.Fatal(err)
	}
	set := &Set{keys: []*Key{k}}
	if m.ring.Use(set, Rotation{}) == nil || m.ring.UseEphemeral() == nil || m.ring.KeyID() == k.id {
		t.Error("configured keys in a shared ring")
	}
	configured := newReplica(t, &memoryStore{})
	if err := configured.ring.Use(set, Rotation{}); err != nil {
		t.Fatal(err)
	}
	if configured.step() == nil || configured.ring.KeyID() != k.id {
		t.Error("shared keys in a configured ring")
	}
}
