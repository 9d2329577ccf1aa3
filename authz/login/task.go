package login

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

const (
	taskTimeout = 10 * time.Second
	maxTasks    = 4096

	// answerMargin is how long before its deadline a request stops waiting, so
	// that what it says instead reaches Envoy in time.
	answerMargin = 30 * time.Millisecond
)

var (
	errUnderWay = errors.New("is still under way")
	errTooMany  = errors.New("too many are under way")
)

// failureKept is how long a failure answers those who ask again.
const failureKept = 2 * time.Second

// tasks are work that must not end with the request that caused it, because
// Envoy gives a request 200 ms and a code or a rotating refresh token can be
// used once: whoever asks for the same work joins it. A result is kept for a
// while for those who come later. The zero value is not usable.
type tasks[T any] struct {
	ctx  context.Context // ends all work
	now  func() time.Time
	keep time.Duration // how long a result is kept; a failure, for failureKept

	mu sync.Mutex // guards the following and every expires
	// known are at most maxTasks: those under way, and results that are kept.
	known   map[[sha256.Size]byte]*task[T]
	stopped bool

	live sync.WaitGroup
}

type task[T any] struct {
	done    chan struct{} // closed when value and err are final
	value   T
	err     error
	expires time.Time // zero while under way
}

func newTasks[T any](ctx context.Context, now func() time.Time, keep time.Duration) *tasks[T] {
	return &tasks[T]{ctx: ctx, now: now, keep: keep, known: map[[sha256.Size]byte]*task[T]{}}
}

// join starts the work, or finds it started, and waits for it as long as ctx
// allows; [errUnderWay] says that it goes on.
func (t *tasks[T]) join(ctx context.Context, key [sha256.Size]byte, work func(context.Context) (T, error)) (T, error) {
	var none T
	job, err := t.start(key, work)
	if err != nil {
		return none, err
	}
	select { // a result at hand is given even when there is no time left
	case <-job.done:
		return job.value, job.err
	default:
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-answerMargin))
		defer cancel()
	}
	select {
	case <-job.done:
		return job.value, job.err
	case <-ctx.Done():
		return none, errUnderWay
	}
}

// start starts the work unless it was started already.
func (t *tasks[T]) start(key [sha256.Size]byte, work func(context.Context) (T, error)) (*task[T], error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return nil, context.Canceled
	}
	now := t.now()
	if job := t.known[key]; job != nil && (job.expires.IsZero() || now.Before(job.expires)) {
		return job, nil
	}
	if len(t.known) >= maxTasks && !t.makeRoom(now) {
		return nil, errTooMany
	}
	job := &task[T]{done: make(chan struct{})}
	t.known[key] = job
	t.live.Go(func() {
		ctx, cancel := context.WithTimeout(t.ctx, taskTimeout)
		defer cancel()
		job.value, job.err = work(ctx)
		t.mu.Lock()
		if job.expires = t.now().Add(t.keep); job.err != nil {
			job.expires = t.now().Add(failureKept)
		}
		t.mu.Unlock()
		close(job.done)
	})
	return job, nil
}

// stop waits for all work, which t.ctx must have ended; none starts any more.
func (t *tasks[T]) stop() {
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
	t.live.Wait()
}

// makeRoom forgets results that nobody needs any more, or else the one that
// would be forgotten next.
func (t *tasks[T]) makeRoom(now time.Time) bool {
	var oldest [sha256.Size]byte
	var when time.Time
	for key, job := range t.known {
		switch {
		case job.expires.IsZero():
		case !now.Before(job.expires):
			delete(t.known, key)
		case when.IsZero() || job.expires.Before(when):
			oldest, when = key, job.expires
		}
	}
	if len(t.known) >= maxTasks && !when.IsZero() {
		delete(t.known, oldest)
	}
	return len(t.known) < maxTasks
}

// forget drops a result, so that it is given once.
func (t *tasks[T]) forget(key [sha256.Size]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, key)
}
