package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"
)

// memoryStore is a store in memory. Its hooks make it fail.
type memoryStore struct {
	mu       sync.Mutex
	document []byte
	revision int
	written  [][]byte // every document that was swapped in, oldest first
	changed  chan struct{}
	now      func() time.Time
	fail     func(swap bool) error // nil: never; asked before anything happens
	lose     func() error          // nil: never; asked after a swap was applied
}

func (s *memoryStore) Load(ctx context.Context) (Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := Version{Time: s.time()}
	if s.fail != nil {
		if err := s.fail(false); err != nil {
			return v, err
		}
	}
	if s.document == nil {
		return v, fs.ErrNotExist
	}
	v.Document, v.Revision = s.document, strconv.Itoa(s.revision)
	return v, ctx.Err()
}

func (s *memoryStore) Swap(ctx context.Context, document []byte, rev string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(true); err != nil {
			return "", err
		}
	}
	if rev == "" && s.document != nil || rev != "" && (s.document == nil || rev != strconv.Itoa(s.revision)) {
		return "", ErrConflict
	}
	s.put(document)
	s.written = append(s.written, document)
	if s.lose != nil {
		if err := s.lose(); err != nil {
			return "", err
		}
	}
	return strconv.Itoa(s.revision), nil
}

func (s *memoryStore) put(document []byte) {
	s.document = document
	s.revision++
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// replace puts a document there without asking; nil removes it.
func (s *memoryStore) replace(document []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(document)
}

// held returns the document.
func (s *memoryStore) held() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.document)
}

func (s *memoryStore) time() time.Time {
	if s.now == nil {
		return time.Time{}
	}
	return s.now()
}

// watchedStore is a memory store that tells of changes.
type watchedStore struct{ *memoryStore }

func (s watchedStore) Watch(ctx context.Context, rev string) error {
	for {
		s.mu.Lock()
		current := ""
		if s.document != nil {
			current = strconv.Itoa(s.revision)
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		if current != rev {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// link is a replica's way to the store.
type link struct {
	Store
	cut int // how many things are in the way
}

var errCut = errors.New("the store cannot be reached")

func (l *link) Load(ctx context.Context) (Version, error) {
	if l.cut > 0 {
		return Version{}, errCut
	}
	return l.Store.Load(ctx)
}

func (l *link) Swap(ctx context.Context, document []byte, rev string) (string, error) {
	if l.cut > 0 {
		return "", errCut
	}
	return l.Store.Swap(ctx, document, rev)
}

// keyFile returns a key-encryption key, another one for each digit.
func keyFile(t testing.TB, digit string) Wrapper {
	t.Helper()
	w, err := NewKeyFile([]byte("ZmFrZSBidXQgbG9uZyBlbm91Z2ggZm9yIGEga2V5ID" + digit + "="))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// replica is a replica on a clock that a test moves.
type replica struct {
	t      testing.TB
	now    time.Time
	ring   *Ring
	keeper *Keeper
	log    bytes.Buffer
}

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// newReplica returns a replica that has not looked at its store yet.
func newReplica(t testing.TB, store Store, change ...func(*KeeperOptions)) *replica {
	t.Helper()
	m := &replica{t: t, now: began}
	clock := func() time.Time { return m.now }
	log := slog.New(slog.NewTextHandler(&m.log, nil))
	m.ring = NewRing(RingOptions{Now: clock, Logger: log})
	o := KeeperOptions{Ring: m.ring, Store: store, Wrapper: keyFile(t, "E"), Now: clock, Logger: log}
	for _, f := range change {
		f(&o)
	}
	var err error
	if m.keeper, err = NewKeeper(o); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *replica) step() error {
	m.ring.Advance()
	return m.keeper.Step(m.t.Context())
}

func (m *replica) mustStep() {
	m.t.Helper()
	if err := m.step(); err != nil {
		m.t.Fatal(err)
	}
}

// fakeModule is a cryptographic module in memory. Its hooks make it fail.
type fakeModule struct {
	keys           []crypto.Signer
	generate, find func() error // nil: never
}

func newFakeModule() *fakeModule { return &fakeModule{} }

// after returns a hook that fails from the call after n good ones.
func (f *fakeModule) after(n int) func() error {
	return func() error {
		if n--; n < 0 {
			return errors.New("the module is full")
		}
		return nil
	}
}

func (f *fakeModule) Generate(_ context.Context, alg string) (crypto.Signer, []byte, error) {
	if f.generate != nil {
		if err := f.generate(); err != nil {
			return nil, nil, err
		}
	}
	key, err := generate(alg, rand.Reader)
	f.keys = append(f.keys, key)
	return key, []byte(strconv.Itoa(len(f.keys))), err
}

func (f *fakeModule) Find(_ context.Context, reference []byte) (crypto.Signer, error) {
	if f.find != nil {
		if err := f.find(); err != nil {
			return nil, err
		}
	}
	i, err := strconv.Atoi(string(reference))
	if err != nil || i < 1 || i > len(f.keys) {
		return nil, errors.New("no such key")
	}
	return f.keys[i-1], nil
}
