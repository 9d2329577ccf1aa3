package login

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func keyOf(s string) [sha256.Size]byte { return sha256.Sum256([]byte(s)) }

func TestTasksJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tasks := newTasks[int](ctx, time.Now, time.Minute)
		runs := 0
		work := func(context.Context) (int, error) { runs++; time.Sleep(time.Second); return runs, nil }
		short, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer stop()
		began := time.Now()
		if _, err := tasks.join(short, keyOf("a"), work); !errors.Is(err, errUnderWay) || time.Since(began) != 200*time.Millisecond-answerMargin {
			t.Errorf("a caller in a hurry: %v after %v", err, time.Since(began))
		}
		for range 3 {
			if n, err := tasks.join(t.Context(), keyOf("a"), work); n != 1 || err != nil {
				t.Errorf("joined: %d, %v", n, err)
			}
		}
		time.Sleep(2 * time.Minute)
		if n, _ := tasks.join(t.Context(), keyOf("a"), work); n != 2 {
			t.Errorf("after its time: %d", n)
		}
		tasks.forget(keyOf("a"))
		if n, _ := tasks.join(t.Context(), keyOf("a"), work); n != 3 {
			t.Errorf("forgotten: %d", n)
		}
		cancel()
		tasks.stop()
		if _, err := tasks.join(t.Context(), keyOf("b"), work); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestFailuresAreKeptBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tasks := newTasks[int](t.Context(), time.Now, time.Hour)
		runs := 0
		work := func(context.Context) (int, error) { runs++; return 0, errSealed }
		for range 5 {
			tasks.join(t.Context(), keyOf("a"), work)
		}
		if runs != 1 {
			t.Errorf("asked %d times at once", runs)
		}
		time.Sleep(failureKept)
		if tasks.join(t.Context(), keyOf("a"), work); runs != 2 {
			t.Errorf("asked %d times", runs)
		}
	})
}

func TestTasksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tasks := newTasks[int](ctx, time.Now, time.Hour)
		stuck := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
		tasks.join(t.Context(), keyOf("done"), func(context.Context) (int, error) { return 1, nil })
		for i := range maxTasks {
			if _, err := tasks.start(keyOf(string(rune(i))), stuck); err != nil {
				t.Fatalf("%d: %v", i, err) // the result makes room for the last
			}
		}
		if _, err := tasks.start(keyOf("one more"), stuck); !errors.Is(err, errTooMany) {
			t.Errorf("over the bound: %v", err)
		}
		time.Sleep(taskTimeout + failureKept)
		if _, err := tasks.start(keyOf("one more"), stuck); err != nil {
			t.Errorf("when the others timed out: %v", err)
		}
		cancel()
		tasks.stop()
	})
}
