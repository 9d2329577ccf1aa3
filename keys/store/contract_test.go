package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync"
	"testing"
	"time"

	"privyseal/keys"
)

// place is where one document of one test is kept.
type place struct {
	address string
	options Options
	// remove removes the document behind the back of the store.
	remove func(t *testing.T)
}

// open returns what another process would have.
func (p place) open(t *testing.T) keys.Store {
	t.Helper()
	s, err := Open(p.address, p.options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testContract holds a store against what keys.Store promises. newPlace returns
// an empty place each time.
func testContract(t *testing.T, newPlace func(t *testing.T) place) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, p place)
	}{
		{"load of nothing", contractLoadOfNothing},
		{"create and swap", contractCreateAndSwap},
		{"stale revision", contractStaleRevision},
		{"removed and created again", contractRemovedAndCreated},
		{"race to create", contractRaceToCreate},
		{"concurrent writers", contractConcurrentWriters},
		{"ended context", contractEndedContext},
		{"size", contractSize},
		{"time", contractTime},
		{"watch", contractWatch},
		{"watch a missing document", contractWatchMissing},
		{"watch ends with its context", contractWatchContext},
		{"name", contractName},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newPlace(t)) })
	}
}

func contractLoadOfNothing(t *testing.T, p place) {
	v, err := p.open(t).Load(t.Context())
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error %v, want fs.ErrNotExist", err)
	}
	if v.Document != nil || v.Revision != "" || v.Time.IsZero() {
		t.Errorf("got %+v, want the time alone", v)
	}
}

func contractCreateAndSwap(t *testing.T, p place) {
	s := p.open(t)
	first := swap(t, s, []byte("one"), "")
	wantDocument(t, p.open(t), "one", first)
	if _, err := s.Swap(t.Context(), []byte("other"), ""); !errors.Is(err, keys.ErrConflict) {
		t.Errorf("creating again: %v, want a conflict", err)
	}
	binary := "two\x00\r\n\xff\xfe" // bytes are kept as they are
	second := swap(t, p.open(t), []byte(binary), first)
	if first == second {
		t.Error("the revision is the same after a swap")
	}
	wantDocument(t, s, binary, second)
	wantDocument(t, p.open(t), "three", swap(t, s, []byte("three"), second))
}

func contractStaleRevision(t *testing.T, p place) {
	s := p.open(t)
	first := swap(t, s, []byte("one"), "")
	second := swap(t, s, []byte("two"), first)
	for _, rev := range []string{first, "", "1", "no such revision"} {
		if _, err := s.Swap(t.Context(), []byte("late"), rev); !errors.Is(err, keys.ErrConflict) {
			t.Errorf("revision %q: %v, want a conflict", rev, err)
		}
	}
	wantDocument(t, s, "two", second)
}

func contractRemovedAndCreated(t *testing.T, p place) {
	s := p.open(t)
	first := swap(t, s, []byte("one"), "")
	p.remove(t)
	if _, err := s.Swap(t.Context(), []byte("late"), first); !errors.Is(err, keys.ErrConflict) {
		t.Errorf("swap of a removed document: %v, want a conflict", err)
	}
	if _, err := s.Load(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("load of a removed document: %v, want fs.ErrNotExist", err)
	}
	again := swap(t, s, []byte("again"), "")
	if _, err := s.Swap(t.Context(), []byte("late"), first); !errors.Is(err, keys.ErrConflict) {
		t.Errorf("swap with a revision from before: %v, want a conflict", err)
	}
	wantDocument(t, s, "again", again)
}

func contractRaceToCreate(t *testing.T, p place) {
	const racers = 20
	won := make(chan string, racers)
	var all sync.WaitGroup
	for i := range racers {
		s := p.open(t)
		all.Go(func() {
			document := "by " + strconv.Itoa(i)
			_, err := s.Swap(t.Context(), []byte(document), "")
			switch {
			case err == nil:
				won <- document
			case !errors.Is(err, keys.ErrConflict):
				t.Error(err)
			}
		})
	}
	all.Wait()
	close(won)
	winner := <-won
	if more, ok := <-won; winner == "" || ok {
		t.Fatalf("winners %q and %q, want exactly one", winner, more)
	}
	for range racers {
		v, err := p.open(t).Load(t.Context())
		if err != nil || string(v.Document) != winner {
			t.Fatalf("a loser sees %q, %v; want %q", v.Document, err, winner)
		}
	}
}

func contractConcurrentWriters(t *testing.T, p place) {
	const writers, increments = 20, 3
	swap(t, p.open(t), []byte("0"), "")
	var all sync.WaitGroup
	for range writers {
		s := p.open(t)
		all.Go(func() {
			for range increments {
				if err := increment(t.Context(), s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	v, err := p.open(t).Load(t.Context())
	if want := strconv.Itoa(writers * increments); err != nil || string(v.Document) != want {
		t.Errorf("got %q, %v; want %s: an update was lost", v.Document, err, want)
	}
}

// increment adds one to the number that the document is.
func increment(ctx context.Context, s keys.Store) error {
	for {
		v, err := s.Load(ctx)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(v.Document))
		if err != nil {
			return err
		}
		_, err = s.Swap(ctx, []byte(strconv.Itoa(n+1)), v.Revision)
		if !errors.Is(err, keys.ErrConflict) {
			return err
		}
	}
}

func contractEndedContext(t *testing.T, p place) {
	s := p.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("load: %v, want context.Canceled", err)
	}
	if _, err := s.Swap(ctx, []byte("one"), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("swap: %v, want context.Canceled", err)
	}
	if _, err := s.Load(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after a swap with an ended context: %v, want fs.ErrNotExist", err)
	}
}

func contractSize(t *testing.T, p place) {
	s := p.open(t)
	largest := bytes.Repeat([]byte{0xa5}, maxDocument)
	rev := swap(t, s, largest, "")
	wantDocument(t, s, string(largest), rev)
	for _, document := range [][]byte{append(largest, 0), {}, nil} {
		if _, err := s.Swap(t.Context(), document, rev); err == nil || errors.Is(err, keys.ErrConflict) {
			t.Errorf("%d bytes: %v, want an error", len(document), err)
		}
	}
	wantDocument(t, s, string(largest), rev)
}

func contractTime(t *testing.T, p place) {
	s := p.open(t)
	swap(t, s, []byte("one"), "")
	v, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if off := time.Since(v.Time).Abs(); off > 10*time.Second {
		t.Errorf("the store says it is %v, %v from now", v.Time, off)
	}
}

func contractWatch(t *testing.T, p place) {
	s := p.open(t)
	watcher := s.(keys.Watcher)
	first := swap(t, s, []byte("one"), "")

	// A change between Load and Watch.
	second := swap(t, p.open(t), []byte("two"), first)
	if err := watcher.Watch(t.Context(), first); err != nil {
		t.Errorf("after a change that came before: %v", err)
	}

	// A change while watching.
	changed := make(chan error, 1)
	go func() { changed <- watcher.Watch(t.Context(), second) }()
	third := swap(t, p.open(t), []byte("three"), second)
	if err := <-changed; err != nil {
		t.Errorf("after a change: %v", err)
	}

	// The document is removed.
	go func() { changed <- watcher.Watch(t.Context(), third) }()
	p.remove(t)
	if err := <-changed; err != nil {
		t.Errorf("after a removal: %v", err)
	}
}

func contractWatchMissing(t *testing.T, p place) {
	s := p.open(t)
	changed := make(chan error, 1)
	go func() { changed <- s.(keys.Watcher).Watch(t.Context(), "") }()
	swap(t, p.open(t), []byte("one"), "")
	if err := <-changed; err != nil {
		t.Errorf("after the document was created: %v", err)
	}
	if err := s.(keys.Watcher).Watch(t.Context(), ""); err != nil {
		t.Errorf("a document that is there already: %v", err)
	}
}

func contractWatchContext(t *testing.T, p place) {
	s := p.open(t)
	for _, missing := range []bool{true, false} {
		rev := ""
		if !missing {
			rev = swap(t, s, []byte("one"), "")
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.(keys.Watcher).Watch(ctx, rev) }()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("revision %q: %v, want context.Canceled", rev, err)
		}
	}
}

func contractName(t *testing.T, p place) {
	if got, want := p.open(t).(fmt.Stringer).String(), redact(p.address); got != want {
		t.Errorf("the store names itself %q, want %q", got, want)
	}
}

func swap(t *testing.T, s keys.Store, document []byte, rev string) string {
	t.Helper()
	next, err := s.Swap(t.Context(), document, rev)
	if err != nil {
		t.Fatal(err)
	}
	if next == "" {
		t.Fatal("an empty revision")
	}
	return next
}

func wantDocument(t *testing.T, s keys.Store, document, rev string) {
	t.Helper()
	v, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if string(v.Document) != document || v.Revision != rev {
		t.Errorf("got %d bytes %.40q of revision %s, want %d bytes %.40q of %s", len(v.Document), v.Document, v.Revision, len(document), document, rev)
	}
}
