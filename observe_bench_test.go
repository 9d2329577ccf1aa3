//go:build !race

package privyseal

import (
	"io"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"privyseal/authz"
)

func usualRecord() *authz.Record {
	return &authz.Record{
		ID: "AAECAwQFBgcICQoLDA0ODw", Time: time.Now(), Outcome: authz.Allow, Reason: authz.Allowed, Rule: "orders", Pattern: "orders.example.com /v1/**",
		Method: "GET", Host: "orders.example.com", Client: netip.MustParseAddr("192.0.2.1"), Request: "0b0a0e0c-1234-4bcd-9abc-0123456789ab",
		Source: "corp", Issuer: "https://idp.example", Subject: "alice", Audience: "orders", KeyID: "ccc5bc9d835ff3c8", JWTID: "AAECAwQFBgcICQoLDA0ODw",
		Bytes: 700, Expires: time.Now(), Took: 80 * time.Microsecond, Authenticating: 2 * time.Microsecond, Judging: time.Microsecond, Signing: 40 * time.Microsecond,
	}
}

// TestObservingAllocatesNothing, on the way of the request.
func TestObservingAllocatesNothing(t *testing.T) {
	s, rec := prepare(ServiceOptions{Decisions: io.Discard}), usualRecord()
	spare := make([]authz.Record, 0, 2)
	s.observe(*rec)
	got := testing.AllocsPerRun(100, func() {
		s.recorder.take(spare)
		s.observe(*rec)
	})
	if got > 0 {
		t.Errorf("%v allocations for each check", got)
	}
	line := make([]byte, 0, 4096)
	if got := testing.AllocsPerRun(100, func() { appendDecision(line, rec) }); got > 1 { // the client's address
		t.Errorf("%v allocations for each line", got)
	}
}

// BenchmarkObserve compares what is done for a record with what slog and
// labels looked up each time would do.
func BenchmarkObserve(b *testing.B) {
	rec := usualRecord()
	b.Run("slog", func(b *testing.B) {
		s, log := prepare(ServiceOptions{}), slog.New(slog.NewJSONHandler(io.Discard, nil))
		b.ReportAllocs()
		for b.Loop() {
			s.metrics.checks.WithLabelValues(string(rec.Outcome), string(rec.Reason)).Inc()
			s.metrics.duration.WithLabelValues(string(rec.Outcome)).Observe(rec.Took.Seconds())
			log.LogAttrs(b.Context(), level(rec), "decision", attributes(nil, rec)...)
		}
	})
	b.Run("recorder", func(b *testing.B) {
		s := prepare(ServiceOptions{Decisions: io.Discard})
		var batch []authz.Record
		var line []byte
		b.ReportAllocs()
		for b.Loop() {
			s.observe(*rec)
			batch = s.recorder.take(batch)
			line = appendDecision(line[:0], &batch[0])
			io.Discard.Write(line)
		}
	})
}
