package privyseal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"privyseal/authz"
)

// sink takes lines as a test says.
type sink struct {
	mu    sync.Mutex
	text  []byte
	write func(s *sink, p []byte) (int, error) // nil: takes all
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	write := s.write
	s.mu.Unlock()
	if write != nil {
		return write(s, p)
	}
	return s.take(p, len(p)), nil
}

func (s *sink) take(p []byte, n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p[:n]...)
	return n
}

func (s *sink) set(write func(*sink, []byte) (int, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write = write
}

// ids are the decisions whose lines were written, all of them whole.
func (s *sink) ids(t *testing.T) (ids []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range bytes.Lines(s.text) {
		var record struct {
			ID string `json:"decision_id"`
		}
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		ids = append(ids, record.ID)
	}
	return ids
}

func testRecorder(out io.Writer) *recorder {
	return newRecorder(out, slog.New(slog.DiscardHandler), prometheus.NewCounter(prometheus.CounterOpts{Name: "dropped"}))
}

func grantOf(n int) *authz.Record {
	return &authz.Record{ID: fmt.Sprint("grant-", n), Outcome: authz.Allow, Reason: authz.Allowed}
}

func denialOf(n int) *authz.Record {
	return &authz.Record{ID: fmt.Sprint("denial-", n), Outcome: authz.Deny, Reason: authz.NoRule}
}

func TestRecordsAreWrittenTogetherAndSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		writes := 0
		out.set(func(s *sink, p []byte) (int, error) { writes++; return s.take(p, len(p)), nil })
		r := testRecorder(out)
		go r.run()
		defer r.close()
		for i := range 100 {
			r.keep(grantOf(i))
		}
		time.Sleep(gather)
		synctest.Wait()
		if ids := out.ids(t); len(ids) != 100 || ids[0] != "grant-0" || ids[99] != "grant-99" || writes != 1 {
			t.Errorf("%d writes: %v", writes, ids)
		}
	})
}

// TestGrantsAreNeverDropped: when nobody reads, grants are refused, denials are
// dropped earlier and counted, and what was kept is written later.
func TestGrantsAreNeverDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, reading := &sink{}, make(chan struct{})
		out.set(func(s *sink, p []byte) (int, error) { <-reading; return s.take(p, len(p)), nil })
		r := testRecorder(out)
		go r.run()
		r.keep(grantOf(0))
		time.Sleep(gather)
		synctest.Wait() // the writer has the first line and is stuck
		kept := 1
		for i := range maxWaiting {
			if r.keep(denialOf(i)) {
				kept++
			}
		}
		if kept != 1+maxWaiting/4*3 || testutil.ToFloat64(r.dropped) != maxWaiting/4 {
			t.Errorf("kept %d, dropped %v", kept, testutil.ToFloat64(r.dropped))
		}
		for i := range maxWaiting / 4 {
			if !r.keep(grantOf(i + 1)) {
				t.Fatalf("grant %d is refused while there is room", i)
			}
			kept++
		}
		if r.keep(grantOf(-1)) {
			t.Fatal("a grant is kept beyond the room")
		}
		close(reading)
		r.close()
		if ids := out.ids(t); len(ids) != kept || ids[kept-1] != fmt.Sprint("grant-", maxWaiting/4) {
			t.Errorf("%d lines of %d", len(ids), kept)
		}
		if r.keep(grantOf(-2)) {
			t.Error("a grant is kept that nobody will write")
		}
	})
}

func TestAWriterThatFailsLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		out.set(func(s *sink, p []byte) (int, error) { return s.take(p, min(len(p), 7)), errors.New("full") })
		r := testRecorder(out)
		go r.run()
		r.keep(grantOf(0))
		time.Sleep(gather + 3*writeAgain)
		out.set(nil)
		time.Sleep(writeAgain)
		r.keep(grantOf(1))
		r.close()
		if ids := out.ids(t); len(ids) != 2 {
			t.Errorf("%q", out.text)
		}
	})
}

func TestClosingEndsThoughTheWriterDoesNot(t *testing.T) {
	for name, write := range map[string]func(stop chan struct{}) (int, error){
		"fails":  func(chan struct{}) (int, error) { return 0, errors.New("gone") },
		"blocks": func(stop chan struct{}) (int, error) { <-stop; return 0, errors.New("gone") },
	} {
		synctest.Test(t, func(t *testing.T) {
			stop := make(chan struct{})
			out := &sink{}
			out.set(func(*sink, []byte) (int, error) { return write(stop) })
			r := testRecorder(out)
			go r.run()
			r.keep(grantOf(0))
			started := time.Now()
			r.close()
			if took := time.Since(started); took > stopWithin {
				t.Errorf("%s: closing took %v", name, took)
			}
			close(stop)
		})
	}
}

// TestRunEndsWithEverythingWritten: records that wait when the service is asked
// to end are written before it does.
func TestRunEndsWithEverythingWritten(t *testing.T) {
	h, out := newHouse(t), &sink{}
	h.recorder.out = out
	h.observe(*grantOf(0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if ids := out.ids(t); len(ids) != 1 {
		t.Errorf("%d lines", len(ids))
	}
}

// TestLinesAreThoseOfSlog: a reader finds what [slog.JSONHandler] would have
// written, whatever the texts are.
func TestLinesAreThoseOfSlog(t *testing.T) {
	full := authz.Record{
		ID: "id", Time: time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC), Outcome: authz.Allow, Reason: authz.Allowed,
		Detail: "quote \" back \\ control \x00\x1f\x7f\n line \u2028\u2029 é 😀 bad \xff\xc3", Cause: "<a & b>", Rule: "r", Pattern: "*", Method: "GET", Host: "app.example",
		Client: netip.MustParseAddr("192.0.2.1"), Request: "q", Source: "corp", Subject: "alice", Issuer: "i", Audience: "a", KeyID: "k", JWTID: "j",
		Expires: time.Date(2026, 11, 23, 12, 5, 0, 0, time.FixedZone("", 3600)), Bytes: 700, GroupsDropped: 2,
		Took: 1234 * time.Microsecond, Authenticating: time.Microsecond, Judging: time.Nanosecond, Signing: time.Hour,
	}
	for _, rec := range []authz.Record{full, {}, {Time: full.Time, Outcome: authz.Deny, Status: 503}, {Status: 403, Host: "\xff"}} {
		line := appendDecision(nil, &rec)
		var want bytes.Buffer
		record := slog.NewRecord(rec.Time, level(&rec), "decision", 0)
		record.AddAttrs(attributes(nil, &rec)...)
		slog.NewJSONHandler(&want, nil).Handle(t.Context(), record)
		var got, reference map[string]any
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if err := json.Unmarshal(want.Bytes(), &reference); err != nil {
			t.Fatal(err)
		}
		if rec.Time.IsZero() {
			delete(got, "time") // which slog leaves out
		}
		if !reflect.DeepEqual(got, reference) {
			t.Errorf("got  %s\nwant %s", line, want.Bytes())
		}
		if strings.Count(string(line), "\n") != 1 {
			t.Errorf("not one line: %q", line)
		}
	}
}

// TestRefusedGrantsAreNotCounted: what is counted is what Envoy was told.
func TestRefusedGrantsAreNotCounted(t *testing.T) {
	s := prepare(ServiceOptions{Decisions: io.Discard})
	go s.recorder.run()
	s.recorder.close()
	if s.observe(*grantOf(0)) {
		t.Fatal("kept")
	}
	s.observe(authz.Record{Outcome: authz.Deny, Reason: authz.Unrecorded})
	if n := testutil.CollectAndCount(s.metrics.checks); n != 1 {
		t.Errorf("%d kinds of checks are counted", n)
	}
}
