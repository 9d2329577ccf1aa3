package privyseal

import (
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"privyseal/authz"
)

// recorder keeps the records of decisions until they are written, away from the
// requests that wait for them. Under load many are written at once.
//
// The record of a grant is never dropped: when there is no room, because whoever
// reads is too slow or gone, keep says so and the grant is not given. Records of
// denials leave the last quarter of the room to grants; those for which there is
// no room are counted. What is kept is written before the service ends, unless
// the writer fails or takes longer than [stopWithin].
type recorder struct {
	out     io.Writer
	log     *slog.Logger
	dropped prometheus.Counter

	mu      sync.Mutex // held for the time it takes to copy one record
	waiting []authz.Record
	closed  bool

	wake chan struct{} // there are records: holds at most one
	stop chan struct{}
	done chan struct{} // everything is written
}

const (
	maxWaiting = 8192
	// gather is how long a record waits for others, to be written with them.
	gather     = 5 * time.Millisecond
	writeAgain = 100 * time.Millisecond
)

func newRecorder(out io.Writer, log *slog.Logger, dropped prometheus.Counter) *recorder {
	return &recorder{out: out, log: log, dropped: dropped, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
}

// keep reports whether the record will be written. After close none is.
func (r *recorder) keep(rec *authz.Record) (kept bool) {
	if r.out == nil {
		return true
	}
	room := maxWaiting
	if rec.Outcome != authz.Allow {
		room = maxWaiting / 4 * 3
	}
	r.mu.Lock()
	before := len(r.waiting)
	if kept = before < room && !r.closed; kept {
		r.waiting = append(r.waiting, *rec)
	}
	r.mu.Unlock()
	switch {
	case !kept && rec.Outcome != authz.Allow:
		r.dropped.Inc()
	case kept && before == 0:
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return kept
}

// close ends run once everything that is kept is written, or after [stopWithin].
func (r *recorder) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	close(r.stop)
	pause(stopWithin, r.done)
}

// run writes records until close.
func (r *recorder) run() {
	defer close(r.done)
	var (
		batch []authz.Record
		lines []byte
	)
	for stopping := false; ; {
		select {
		case <-r.wake:
			pause(gather, r.stop)
		case <-r.stop:
			stopping = true
		}
		batch = r.take(batch)
		lines = lines[:0]
		for i := range batch {
			lines = appendDecision(lines, &batch[i])
		}
		clear(batch) // and its strings
		if !r.write(lines) || stopping {
			return
		}
	}
}

// take returns all that waits and leaves the emptied batch in its place.
func (r *recorder) take(empty []authz.Record) (batch []authz.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch, r.waiting = r.waiting, empty[:0]
	return batch
}

// write writes lines, and tries again while the writer fails: the room fills
// meanwhile. After close it tries once more.
func (r *recorder) write(lines []byte) (written bool) {
	failed := false
	for len(lines) > 0 {
		n, err := r.out.Write(lines)
		lines = lines[n:]
		if err == nil {
			continue
		}
		if !failed {
			failed = true
			r.log.Error("decision records cannot be written; when there is no more room for them, no request will be let through", "error", err)
		}
		select {
		case <-r.stop:
			return false
		default:
			pause(writeAgain, r.stop)
		}
	}
	return true
}

// pause waits for d, or less.
func pause(d time.Duration, less <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-less:
	}
}
