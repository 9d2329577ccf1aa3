package store

import (
	"context"
	"time"
)

// pollInterval is how often a store without notices is asked for its revision.
const pollInterval = 2 * time.Second

// poll returns nil when the revision is not rev. It asks at once, so that a
// change between a Load and the Watch after it is seen.
func poll(ctx context.Context, rev string, revision func(context.Context) (string, error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		now, err := revision(ctx)
		if err != nil || now != rev {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
