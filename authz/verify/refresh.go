package verify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	fetchTimeout = 5 * time.Second
	maxStale     = 24 * time.Hour // how long keys outlive an issuer that fails

	minBackoff = time.Second
	maxBackoff = time.Minute

	askInterval = 30 * time.Second // between fetches for unknown kids
	absentTime  = 2 * time.Minute  // how long an unknown kid is not asked for again
	maxAbsent   = 1000
)

// refresh is the only goroutine that fetches, so there is never more than one
// fetch under way however many tokens wait for it.
func (k *KeySet) refresh(ctx context.Context) {
	defer close(k.done)
	defer k.stopped()
	defer k.source.client.CloseIdleConnections()
	failures := 0
	for {
		k.begin()
		ttl, err := k.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := beforeExpiry(ttl)
		if err != nil {
			wait = backoff(failures)
			failures++
			k.log.Warn("issuer keys not fetched; the last good set, if any, stays in use", "error", err, "retry_in", wait)
		} else {
			failures = 0
		}
		k.end(err, wait)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-k.wanted:
			timer.Stop()
		}
	}
}

// begin opens a round; whoever asks during it waits for its end.
func (k *KeySet) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.round == nil {
		k.round = make(chan struct{})
	}
	select { // this round is the one that was wanted
	case <-k.wanted:
	default:
	}
	k.status.NextFetch = time.Time{}
}

// end closes the round and notes how it went.
func (k *KeySet) end(err error, wait time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	k.status.NextFetch = now.Add(wait)
	if err != nil {
		k.status.LastError = err.Error()
	} else {
		k.status.LastError, k.status.LastSuccess = "", now
	}
	close(k.round)
	k.round = nil
}

func (k *KeySet) stopped() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.NextFetch = time.Time{}
}

// fetch replaces the set in use by what the issuer publishes. On any error the
// set stays.
func (k *KeySet) fetch(ctx context.Context) (ttl time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	a, err := k.source.keySet(ctx)
	if err != nil {
		return 0, err
	}
	before := k.current.Load()
	if a.unchanged {
		k.current.Store(&current{before.set, k.now()})
		return a.ttl, nil
	}
	s, err := parseSet(a.body, k.algorithms)
	if err != nil {
		return 0, fmt.Errorf("GET %s: %v", place(k.source.url), err)
	}
	k.source.etag = a.etag
	k.current.Store(&current{s, k.now()})
	if before == nil || !slices.Equal(before.keyIDs(), s.keyIDs()) {
		k.log.Info("issuer keys changed", "url", place(k.source.url), "kids", s.keyIDs(), "skipped", s.skipped)
	}
	return a.ttl, nil
}

// usable returns the set in use, or nil if there is none or the issuer has not
// confirmed it for too long.
func (k *KeySet) usable() *set {
	c := k.current.Load()
	if c == nil || k.source != nil && k.now().Sub(c.confirmed) > maxStale {
		return nil
	}
	return c.set
}

// find returns the key for a kid. It waits for a fetch only if the answer
// depends on it.
func (k *KeySet) find(ctx context.Context, kid string) (*key, error) {
	s := k.usable()
	if s == nil {
		if err := k.wait(ctx, k.underWay()); err != nil {
			return nil, err
		}
		if s = k.usable(); s == nil {
			return nil, k.unavailable()
		}
	}
	if found := s.find(kid); found != nil {
		return found, nil
	}
	if kid == "" {
		return nil, fmt.Errorf("%w: the token names none and the set has %d", ErrUnknownKey, len(s.keys))
	}
	round := k.ask(kid)
	if round == nil {
		return nil, ErrUnknownKey
	}
	if err := k.wait(ctx, round); err != nil {
		return nil, err
	}
	if s = k.usable(); s == nil {
		return nil, k.unavailable()
	}
	if found := s.find(kid); found != nil {
		return found, nil
	}
	k.remember(kid)
	return nil, ErrUnknownKey
}

// underWay returns the round that is going on, or nil.
func (k *KeySet) underWay() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.round
}

// ask returns the round whose result tells about an unknown kid: one under way,
// a new one if that is not too soon, or nil. Anybody can make up kids, so what
// they cost the issuer is bounded.
func (k *KeySet) ask(kid string) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.source == nil {
		return nil
	}
	now := k.now()
	if seen, ok := k.absent[kid]; ok && now.Sub(seen) < absentTime {
		return nil
	}
	if k.round != nil {
		return k.round
	}
	if !k.asked.IsZero() && now.Sub(k.asked) < askInterval {
		return nil
	}
	k.asked = now
	k.round = make(chan struct{})
	k.wanted <- struct{}{} // never blocks: there is one per round
	return k.round
}

// remember notes that a kid is not in the set, so that a client which goes on
// sending an old token does not cause fetch after fetch.
func (k *KeySet) remember(kid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if len(k.absent) >= maxAbsent {
		for other, seen := range k.absent {
			if now.Sub(seen) >= absentTime {
				delete(k.absent, other)
			}
		}
	}
	if len(k.absent) < maxAbsent {
		k.absent[kid] = now
	}
}

// wait waits for the end of a round, for no longer than the caller has time.
func (k *KeySet) wait(ctx context.Context, round <-chan struct{}) error {
	if round == nil {
		return nil
	}
	select {
	case <-round:
	case <-k.done:
	case <-ctx.Done():
		return fmt.Errorf("%w: still being fetched: %w", ErrUnavailable, context.Cause(ctx))
	}
	return nil
}

// beforeExpiry is when to fetch again, a little before the set expires and not
// in step with other replicas.
func beforeExpiry(ttl time.Duration) time.Duration {
	return ttl*8/10 - rand.N(ttl/10+1)
}

// backoff is the time between attempts at an issuer that fails: doubled each
// time, within bounds, plus up to a quarter at random.
func backoff(failures int) time.Duration {
	d := min(minBackoff<<min(failures, 6), maxBackoff*4/5)
	return d + rand.N(d/4+1)
}
