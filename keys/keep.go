package keys

import (
	"context"
	"math/rand/v2"
	"time"
)

// Run keeps the ring's keys until ctx ends: it looks at the store every minute,
// sooner for short periods or when the store tells of a change, and lets keys
// sign when their time has come. Errors are logged when they begin and when they
// end, and are part of [Keeper.Status].
func (k *Keeper) Run(ctx context.Context) {
	for ctx.Err() == nil {
		k.Step(ctx)
		k.wait(ctx)
	}
}

// wait returns when there may be news. Keys whose time comes meanwhile sign.
func (k *Keeper) wait(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k.turn.Lock()
	pause, rev := k.schedule.pollEvery(), k.rev
	k.turn.Unlock()
	news := make(chan struct{}, 1)
	if watcher, ok := k.options.Store.(Watcher); ok {
		go func() {
			rest := time.After(pause / 10) // from a store that has news all the time
			if watcher.Watch(ctx, rev) != nil {
				return
			}
			select {
			case <-rest:
				news <- struct{}{}
			case <-ctx.Done():
			}
		}()
	}
	// Jitter keeps replicas from asking, and from making keys, all at once.
	poll := time.NewTimer(pause/2 + rand.N(pause))
	defer poll.Stop()
	for {
		change := k.nextActivation()
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			return
		case <-news:
			return
		case <-k.wake:
			return
		case <-change.C:
			k.options.Ring.Advance()
		}
		change.Stop()
	}
}

// nextActivation fires when a key is to begin to sign; if none is, never.
func (k *Keeper) nextActivation() *time.Timer {
	at := k.options.Ring.NextChange()
	if at.IsZero() {
		return time.NewTimer(1<<63 - 1)
	}
	return time.NewTimer(max(at.Sub(k.options.Now()), time.Millisecond))
}
