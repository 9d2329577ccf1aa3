package keys

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// Before the store has been read there is nothing: no key, no key set, and
// never an ephemeral key in their place.
func TestStoreDownAtBoot(t *testing.T) {
	way := &link{Store: &memoryStore{}, cut: 1}
	m := newReplica(t, way)
	if err := m.step(); !errors.Is(err, errCut) {
		t.Errorf("step: %v", err)
	}
	if _, _, err := m.ring.Sign(t.Context(), nil); err == nil || m.ring.KeyID() != "" || m.ring.Check() == nil {
		t.Errorf("the ring signs with %q: %v", m.ring.KeyID(), err)
	}
	m.wantJWKS(503)
	way.cut = 0
	m.mustStep()
	if err := m.ring.Check(); err != nil {
		t.Error(err)
	}
	m.wantJWKS(200)
}

// A replica without its store goes on for exactly as long as the last document
// promises: it leaves service, then gives out its key set no longer, then signs
// no longer.
func TestStoreDownLater(t *testing.T) {
	const hour = time.Hour
	for name, test := range map[string]struct {
		failing                bool // no next key can be made
		lost                   time.Duration
		serves, publishes, end time.Duration
	}{
		"the document promises":              {false, 0, 310*hour - time.Minute, 310 * hour, 336 * hour},
		"the promise has ended":              {true, 400 * hour, 400*hour + 4*time.Minute, 400*hour + 5*time.Minute, 426 * hour},
		"the promise ends before it matters": {true, 150 * hour, 150*hour + 4*time.Minute, 150*hour + 5*time.Minute, 176 * hour},
	} {
		t.Run(name, func(t *testing.T) {
			module := newFakeModule()
			way := &link{Store: &memoryStore{}}
			m := newReplica(t, way, func(o *KeeperOptions) { o.Module = module })
			if test.failing {
				module.generate = module.after(1)
			}
			m.step()
			m.now = began.Add(test.lost)
			m.step()
			way.cut = 1
			for _, moment := range []struct {
				at   time.Duration
				does func() bool
			}{
				{test.serves, func() bool { return m.ring.Check() == nil }},
				{test.publishes, func() bool { return m.jwks().Code == 200 }},
				{test.end, func() bool { _, _, err := m.ring.Sign(t.Context(), nil); return err == nil }},
			} {
				for _, early := range []time.Duration{1, 0} {
					m.now = began.Add(moment.at - early)
					m.step()
					if got := moment.does(); got != (early == 1) {
						t.Errorf("at %v: %v", m.now.Sub(began), got)
					}
				}
			}
			way.cut, module.generate = 0, nil
			m.mustStep()
			if _, _, err := m.ring.Sign(t.Context(), nil); err != nil || m.ring.Check() != nil {
				t.Errorf("after the store was back: %v, %v", err, m.ring.Check())
			}
			m.wantJWKS(200)
		})
	}
}

// A write whose answer is lost is found at the next look, and its keys are used.
func TestStoreLosesAnswers(t *testing.T) {
	store := &memoryStore{}
	m := newReplica(t, store)
	store.lose = func() error { return errCut }
	if err := m.step(); !errors.Is(err, errCut) {
		t.Errorf("step: %v", err)
	}
	m.mustStep()
	m.now = m.now.Add(defaultRotateEvery)
	if err := m.step(); !errors.Is(err, errCut) {
		t.Errorf("step: %v", err)
	}
	m.mustStep()
	if n := len(store.written); n != 2 {
		t.Errorf("%d documents were written for 2 changes", n)
	}
	if want := documentIn(t, store).in(StateSigning).KeyID; m.ring.KeyID() != want {
		t.Errorf("signs with %s, the document says %s", m.ring.KeyID(), want)
	}
}

// A store that takes nothing makes no heap of keys: what could not be written is
// tried again.
func TestStoreTakesNothing(t *testing.T) {
	for name, refuse := range map[string]error{"somebody is always faster": ErrConflict, "it cannot be written": errCut} {
		t.Run(name, func(t *testing.T) {
			store, module := &memoryStore{}, newFakeModule()
			store.fail = func(swap bool) error {
				if swap {
					return refuse
				}
				return nil
			}
			m := newReplica(t, store, func(o *KeeperOptions) { o.Module = module })
			for range 50 {
				if m.step() == nil {
					t.Error("no error")
				}
			}
			if n := len(module.keys); n != 2 {
				t.Errorf("%d keys were made", n)
			}
			if n := len(m.keeper.opened); n > 2 {
				t.Errorf("%d keys are open", n)
			}
			store.fail = nil
			m.mustStep()
			if len(module.keys) != 2 || m.ring.Check() != nil {
				t.Errorf("%d keys for the two of the document; %v", len(module.keys), m.ring.Check())
			}
		})
	}
}

// A key that may have been written is not used a second time: an operator may
// have taken it away since.
func TestStoreLostAnswerAndPurge(t *testing.T) {
	store := &memoryStore{}
	m, operator := newReplica(t, store), newReplica(t, store)
	m.mustStep()
	m.now = m.now.Add(defaultRotateEvery)
	operator.now = m.now
	store.lose = func() error { return errCut }
	m.step()
	store.lose = nil
	burned := documentIn(t, store).in(StateNext).KeyID
	for range 2 {
		if _, err := operator.keeper.Rotate(t.Context(), ModePurge); err != nil {
			t.Fatal(err)
		}
	}
	m.mustStep()
	if _, err := m.keeper.Rotate(t.Context(), ModePurge); err != nil {
		t.Fatal(err)
	}
	d := documentIn(t, store)
	if d.find(burned) != nil {
		t.Error("a key that was purged is in use again")
	}
}

// What the store has lost is written again, from a replica that knows it.
func TestStoreForgets(t *testing.T) {
	store := &memoryStore{}
	m := newReplica(t, store)
	m.mustStep()
	oldest := store.held()
	m.now = m.now.Add(defaultRotateEvery)
	m.mustStep()
	newest := documentIn(t, store)
	for i, lost := range []func(){
		func() { store.replace(nil) },
		func() { store.replace(oldest) },
	} {
		lost()
		m.mustStep()
		if d := documentIn(t, store); !d.same(*newest) || d.Generation != newest.Generation+uint64(i)+1 {
			t.Errorf("the store holds generation %d after %d: %v", d.Generation, newest.Generation, d)
		}
		if got := m.keeper.Status().Store.Rollbacks; got != uint64(i+1) {
			t.Errorf("%d rollbacks are counted", got)
		}
	}
}

// After a backup was restored, and changed by somebody who knows no better, two
// documents have one generation. What a replica has seen first, holds.
func TestStoreForks(t *testing.T) {
	store := &memoryStore{}
	m, other := newReplica(t, store), newReplica(t, store)
	m.mustStep()
	other.mustStep()
	backup := store.held()
	if _, err := m.keeper.Rotate(t.Context(), ModePurge); err != nil {
		t.Fatal(err)
	}
	purged := documentIn(t, store)
	store.replace(backup)
	if _, err := other.keeper.Revoke(t.Context(), other.next()); err != nil {
		t.Fatal(err)
	}
	if fork := documentIn(t, store); fork.Generation != purged.Generation {
		t.Fatalf("generations %d and %d", fork.Generation, purged.Generation)
	}
	m.mustStep()
	other.mustStep()
	if d := documentIn(t, store); !d.same(*purged) || other.ring.KeyID() != m.ring.KeyID() {
		t.Error("keys that were purged are back")
	}
}

func (m *replica) next() string {
	d, err := m.keeper.Read(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return d.in(StateNext).KeyID
}

// damaged is a store that holds what cannot be believed: a replica that runs
// goes on as it was, one that starts does not begin, and nobody writes.
func wantRefused(t *testing.T, store *memoryStore, running *replica, bad []byte, change ...func(*KeeperOptions)) (err error) {
	t.Helper()
	good, kid, writes := store.held(), running.ring.KeyID(), len(store.written)
	defer func() { store.replace(good) }()
	store.replace(bad)
	running.now = running.now.Add(time.Minute)
	if err = running.step(); err == nil {
		t.Errorf("believed by a replica that runs: %.200s", bad)
	}
	if _, signer, signErr := running.ring.Sign(t.Context(), nil); signErr != nil || signer != kid || running.ring.Check() != nil {
		t.Errorf("the last good keys are not in use: %v, %v", signErr, running.ring.Check())
	}
	starting := newReplica(t, store, change...)
	starting.now = running.now
	if starting.step() == nil || starting.ring.Check() == nil {
		t.Errorf("believed by a replica that starts: %.200s", bad)
	}
	if len(store.written) != writes || !bytes.Equal(store.held(), bad) {
		t.Errorf("it was overwritten")
	}
	return err
}

// rotated returns a store whose keyring has a key of each state, and a replica.
func rotated(t *testing.T, change ...func(*KeeperOptions)) (*memoryStore, *replica) {
	t.Helper()
	store := &memoryStore{}
	m := newReplica(t, store, change...)
	m.mustStep()
	m.now = m.now.Add(defaultRotateEvery)
	m.mustStep()
	return store, m
}

func inTheClear(o *KeeperOptions) { o.Wrapper = nil }

// tampered returns a document that follows the one in the store, with a change by
// somebody who has the data key.
func tampered(t *testing.T, store *memoryStore, p *protection, change func(*Document)) []byte {
	t.Helper()
	d := documentIn(t, store)
	d.Generation++
	change(d)
	d.sealing = p
	text, err := d.encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func documentIn(t *testing.T, store *memoryStore) *Document {
	t.Helper()
	d, err := ParseDocument(store.held())
	if err != nil {
		t.Fatal(err)
	}
	return &d
}

// A bit that is different anywhere makes no difference, or the document is
// refused.
func TestStoreFlipsBits(t *testing.T) {
	store, m := rotated(t)
	good, want, kid := store.held(), documentIn(t, store), m.ring.KeyID()
	step := 1
	if raceEnabled {
		step = 7
		t.Log("under the race detector: every seventh byte")
	}
	harmless := 0
	for i := 0; i < len(good); i += step {
		for _, bit := range []byte{1 << (i % 8), 0x20} {
			bad := bytes.Clone(good)
			bad[i] ^= bit
			if d, err := ParseDocument(bad); err == nil && m.keeper.last.sealing != nil {
				e, _, _ := decode(bad)
				if e.verify(m.keeper.last.sealing) == nil {
					if !d.same(*want) || d.Ring != want.Ring || d.Generation != want.Generation {
						t.Errorf("bit %x of byte %d changes the meaning and is not refused", bit, i)
					}
					harmless++
					continue
				}
			}
			store.replace(bad)
			if err := m.step(); err == nil || m.ring.KeyID() != kid {
				t.Errorf("bit %x of byte %d is believed: %v", bit, i, m.ring.KeyID())
			}
			if !bytes.Equal(store.held(), bad) {
				t.Errorf("bit %x of byte %d: the document was overwritten", bit, i)
			}
			if i%64 == 0 {
				wantRefused(t, store, m, bad)
			}
		}
	}
	t.Logf("%d bytes, %d changes without a meaning", len(good), harmless)
	store.replace(good)
	m.mustStep()
}

// Without encryption nothing proves that a document is genuine. Damage still
// ends no process, and no key signs that is not what its kid says.
func TestStoreFlipsBitsInTheClear(t *testing.T) {
	store, _ := rotated(t, inTheClear)
	good := store.held()
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 7)
		e, d, err := decode(bad)
		if err != nil || e.verify(nil) != nil {
			continue
		}
		if m := newReplica(t, store, inTheClear); i%8 == 0 || bytes.Contains(good[max(i-40, 0):i], []byte(`"kid`)) {
			for _, k := range d.Keys {
				if key, err := m.keeper.open(t.Context(), d, k); err == nil && key.id != k.KeyID {
					t.Errorf("byte %d: key %s is called %s", i, key.id, k.KeyID)
				}
			}
		}
	}
}

func TestStoreTruncates(t *testing.T) {
	store, m := rotated(t)
	good, kid := store.held(), m.ring.KeyID()
	for n := range len(good) - 1 { // without the line feed it is whole
		store.replace(good[:n])
		if err := m.step(); err == nil || m.ring.KeyID() != kid || len(store.written) != 2 {
			t.Errorf("%d of %d bytes are believed", n, len(good))
		}
	}
}

// Everything else that a store can hold is refused, each with what to do.
func TestStoreHoldsSomethingElse(t *testing.T) {
	store, m := rotated(t)
	inClear, plain := rotated(t, inTheClear)
	otherStore, _ := rotated(t)
	p := m.keeper.last.sealing
	swap := func(d *Document) {
		a, b := d.in(StateSigning), d.in(StateNext)
		a.private, b.private = b.private, a.private
	}
	same := func(*Document) {}
	for name, test := range map[string]struct {
		bad  []byte
		says string
	}{
		"nothing":                    {[]byte{}, "damaged"},
		"null":                       {[]byte("null"), "damaged"},
		"two documents":              {slices.Concat(store.held(), store.held()), "damaged"},
		"a brace too many":           {slices.Concat(store.held(), []byte("}")), "damaged"},
		"an unknown member":          {bytes.Replace(store.held(), []byte(`{"document"`), []byte(`{"x":1,"document"`), 1), "damaged"},
		"oversize":                   {slices.Concat(store.held(), bytes.Repeat([]byte(" "), MaxDocument)), "larger than"},
		"without a MAC":              {tampered(t, store, nil, same), "authentication code"},
		"with the MAC of another":    {tampered(t, store, mustProtection(t), same), "authentication code"},
		"not encrypted":              {inClear.held(), "not encrypted"},
		"a key renamed":              {tampered(t, store, p, func(d *Document) { d.Keys[0].KeyID = strings.Repeat("0", 64) }), "kid|unsealed"},
		"another algorithm":          {tampered(t, store, p, func(d *Document) { d.Keys[0].Algorithm = "ES384" }), ""},
		"a retired key in two roles": {tampered(t, store, p, func(d *Document) { d.Keys = append(d.Keys, d.Keys[0]) }), "twice"},
		"two keys that sign":         {tampered(t, store, p, func(d *Document) { d.in(StateNext).State = StateSigning }), "2 sign"},
		"no key that signs":          {tampered(t, store, p, func(d *Document) { d.in(StateSigning).State = StateRetired }), "0 sign"},
		"a state of its own":         {tampered(t, store, p, func(d *Document) { d.Keys[0].State = "x" }), "no known state"},
		"another ring's name":        {tampered(t, store, p, func(d *Document) { d.Ring = "x" }), "another keyring|keyring"},
		"no generation":              {tampered(t, store, p, func(d *Document) { d.Generation = 0 }), "generation"},
		"a newer format":             {tampered(t, store, p, func(d *Document) { d.Version = 2 }), "update it"},
		"no data key":                {tampered(t, store, p, func(d *Document) { d.dataKey = nil }), "not encrypted"},
	} {
		t.Run(name, func(t *testing.T) {
			wantSays(t, wantRefused(t, store, m, test.bad), test.says)
		})
	}
	t.Run("encrypted, and no encryption is configured", func(t *testing.T) {
		wantSays(t, wantRefused(t, inClear, plain, store.held(), inTheClear), "is encrypted")
	})
	for name, change := range map[string]func(*Document){"private": swap, "public": exchangePublic} {
		t.Run(name+" halves exchanged by somebody with the data key", func(t *testing.T) {
			starting := newReplica(t, &memoryStore{document: tampered(t, store, p, change), revision: 1})
			wantSays(t, starting.step(), "cannot be unsealed|another key than its kid says")
		})
	}
	t.Run("another keyring", func(t *testing.T) {
		good := store.held()
		store.replace(otherStore.held())
		kid := m.ring.KeyID()
		wantSays(t, m.step(), "another keyring")
		if m.ring.KeyID() != kid || len(store.written) != 2 {
			t.Error("the ring has changed, or was overwritten")
		}
		store.replace(good)
	})
	t.Run("private halves exchanged in the clear", func(t *testing.T) {
		bad := tampered(t, inClear, nil, swap)
		starting := newReplica(t, &memoryStore{document: bad, revision: 1}, inTheClear)
		wantSays(t, starting.step(), "another key than its kid says")
	})
	t.Run("public halves exchanged in the clear", func(t *testing.T) {
		bad := tampered(t, inClear, nil, exchangePublic)
		starting := newReplica(t, &memoryStore{document: bad, revision: 1}, inTheClear)
		wantSays(t, starting.step(), "another key than its kid says")
	})
	t.Run("another key-encryption key", func(t *testing.T) {
		starting := newReplica(t, store, func(o *KeeperOptions) { o.Wrapper = keyFile(t, "I") })
		if err := starting.step(); err == nil || starting.ring.Check() == nil || len(store.written) != 2 {
			t.Errorf("opened: %v", err)
		}
	})
	if m.mustStep(); m.ring.Check() != nil {
		t.Error("the good document is not believed afterwards")
	}
}

func exchangePublic(d *Document) {
	a, b := d.in(StateSigning), d.in(StateNext)
	a.Public, b.Public = b.Public, a.Public
}

func wantSays(t *testing.T, err error, says string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	if !slices.ContainsFunc(strings.Split(says, "|"), func(s string) bool { return strings.Contains(err.Error(), s) }) {
		t.Errorf("the error does not say %q: %v", says, err)
	}
}

func mustProtection(t *testing.T) *protection {
	t.Helper()
	p, err := makeProtection()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// An old document is genuine, and is still not gone back to.
func TestStoreReplays(t *testing.T) {
	store, m := rotated(t)
	kid := m.ring.KeyID()
	store.replace(store.written[0])
	m.mustStep()
	if m.ring.KeyID() != kid || documentIn(t, store).Generation != 3 {
		t.Errorf("signs with %s after %s; generation %d", m.ring.KeyID(), kid, documentIn(t, store).Generation)
	}
}

// A replica whose clock is far from the store's makes, removes and starts
// nothing by it, and goes on with what others write.
func TestClockIsOff(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, -61 * time.Second, 61 * time.Second, time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			now := began
			store := &memoryStore{now: func() time.Time { return now }}
			m, good := newReplica(t, store), newReplica(t, store)
			set := func(at time.Time) { now, good.now, m.now = at, at, at.Add(off) }

			set(began)
			if err := m.step(); err == nil || m.ring.Check() == nil || store.held() != nil {
				t.Errorf("a keyring was begun: %v", err)
			}
			m.now = now
			m.mustStep()
			first := m.ring.KeyID()

			at := began.Add(defaultRotateEvery)
			set(at.Add(max(0, -off) - min(off, 0) - off)) // by its own clock the next key is due
			now, good.now = at.Add(-time.Second), at.Add(-time.Second)
			m.now = now.Add(off.Abs())
			if err := m.step(); !errors.Is(err, errClock) || m.ring.KeyID() != first || len(store.written) != 1 {
				t.Errorf("by a fast clock: %v, signs with %s", err, m.ring.KeyID())
			}
			m.ring.Advance()
			if m.ring.KeyID() != first {
				t.Error("a key signs by a fast clock")
			}
			set(at)
			good.mustStep()
			if err := m.step(); !errors.Is(err, errClock) || m.ring.KeyID() != good.ring.KeyID() {
				t.Errorf("does not follow the document: %v", err)
			}
			now = at.Add(20 * time.Minute) // the old key has a minute left
			m.now = now.Add(off.Abs())
			if err := m.step(); !errors.Is(err, errClock) || documentIn(t, store).find(first) == nil || !m.ring.Has(first) {
				t.Errorf("removed a key by a fast clock: %v", err)
			}
			if skew := m.keeper.Status().Store.Skew; skew != off.Abs() {
				t.Errorf("a skew of %v is reported", skew)
			}
			m.now = at.Add(21 * time.Minute)
			now = m.now
			m.mustStep()
			if m.ring.Has(first) || m.ring.Check() != nil {
				t.Errorf("not as before when the clock was set: %v", m.ring.Check())
			}
		})
	}
	t.Run("a minute is not far", func(t *testing.T) {
		m := newReplica(t, &memoryStore{now: func() time.Time { return began }})
		m.now = began.Add(maxSkew)
		m.mustStep()
	})
}

// A key that cannot be made is left out; the signing one goes on.
func TestKeysCannotBeMade(t *testing.T) {
	for name, fault := range map[string]func() error{
		"fails":  func() error { return errors.New("no session") },
		"panics": func() error { panic("secret") },
	} {
		t.Run(name, func(t *testing.T) {
			store, module := &memoryStore{}, newFakeModule()
			m := newReplica(t, store, func(o *KeeperOptions) { o.Module = module })
			module.generate = fault
			if err := m.step(); err == nil || store.held() != nil {
				t.Errorf("begun without keys: %v", err)
			}
			module.generate = nil
			m.mustStep()
			module.generate = fault
			m.now = m.now.Add(defaultRotateEvery)
			for range 3 {
				err := m.step()
				if err == nil || strings.Contains(err.Error(), "secret") {
					t.Errorf("error: %v", err)
				}
				m.now = m.now.Add(24 * time.Hour)
			}
			if err := m.ring.Check(); err != nil || len(store.written) != 3 {
				t.Errorf("%v; %d documents", err, len(store.written))
			}
			if _, _, err := m.ring.Sign(t.Context(), nil); err != nil {
				t.Error(err)
			}
			module.generate = nil
			m.mustStep()
			if m.next() == "" {
				t.Error("no next key")
			}
		})
	}
	t.Run("no randomness", func(t *testing.T) {
		store := &memoryStore{}
		m := newReplica(t, store, func(o *KeeperOptions) { o.Rand = strings.NewReader("short") })
		if err := m.step(); err == nil || store.held() != nil {
			t.Errorf("begun: %v", err)
		}
	})
	t.Run("a command says that it was done without", func(t *testing.T) {
		store, module := &memoryStore{}, newFakeModule()
		m := newReplica(t, store, func(o *KeeperOptions) { o.Module = module })
		m.mustStep()
		module.generate = func() error { return errors.New("no session") }
		_, err := m.keeper.Rotate(t.Context(), ModeAvailability)
		wantSays(t, err, "was written")
		if len(store.written) != 2 {
			t.Error("nothing was written")
		}
		_, err = m.keeper.Rotate(t.Context(), ModePurge)
		if err == nil || strings.Contains(err.Error(), "was written") || len(store.written) != 2 {
			t.Errorf("a purge without new keys: %v", err)
		}
	})
}

// A module that cannot be reached takes no key away.
func TestModuleIsGone(t *testing.T) {
	for name, fault := range map[string]func() error{
		"fails":  func() error { return errors.New("no token") },
		"panics": func() error { panic("secret") },
	} {
		store, module := &memoryStore{}, newFakeModule()
		use := func(o *KeeperOptions) { o.Module = module }
		m := newReplica(t, store, use)
		m.mustStep()
		module.find = fault
		m.mustStep()
		starting := newReplica(t, store, use)
		if err := starting.step(); err == nil || starting.ring.Check() == nil {
			t.Errorf("%s: started without its keys: %v", name, err)
		}
		module.find = nil
		starting.mustStep()
	}
}

func (m *replica) jwks() *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	m.ring.ServeHTTP(answer, httptest.NewRequest("GET", "/", nil))
	return answer
}

func (m *replica) wantJWKS(code int) {
	m.t.Helper()
	answer := m.jwks()
	if answer.Code != code || code == 503 && answer.Header().Get("Cache-Control") != "no-store" {
		m.t.Errorf("the key set is %d, %v", answer.Code, answer.Header())
	}
}
