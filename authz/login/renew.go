package login

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"privyseal/authz"
)

const (
	// lockLife is longer than any renewal, so that a lock ends by itself only
	// when its owner has died.
	lockLife = taskTimeout + 5*time.Second
	lockPoll = 100 * time.Millisecond
)

// renewed renews a session ahead of its time. However many requests notice that
// it is due, the provider is asked once: a rotating refresh token serves once.
// In a cookie the outcome is given to all of them, because each of their
// answers may be the last that the browser keeps.
func (s *source) renewed(ctx context.Context, r *authz.Request, fx *authz.Effects, old *session) (*session, error) {
	now := s.env.Now().Unix()
	if old.RenewAt == 0 || now < old.RenewAt {
		return old, nil
	}
	key := sha256.Sum256([]byte(s.key("renewal", old.ID+"\x00"+old.RefreshToken)))
	host := strings.Clone(r.Host) // the request's buffer does not outlive it
	work := func(ctx context.Context) (*session, error) { return s.renew(ctx, old) }
	if s.store != nil {
		work = func(ctx context.Context) (*session, error) { return s.renewStored(ctx, host, old) }
		if now < old.RenewBy {
			s.env.renewals.start(key, work) // off this request's path; too many: the next one tries
			return old, nil
		}
	}
	next, err := s.env.renewals.join(ctx, key, work)
	var denial *authz.Denial
	switch {
	case err == nil && s.store == nil:
		renewed := *next
		renewed.Seen = now
		return &renewed, s.save(ctx, host, fx, &renewed)
	case err == nil:
		return next, nil
	case errors.Is(err, errEnded), errors.As(err, &denial) && denial.Reason != authz.SourceUnavailable:
		if err := s.end(ctx, fx, old); err != nil {
			return nil, err
		}
		return nil, expired(s.Name, fmt.Sprintf("not renewed: %v", cause(err)))
	case now < old.RenewBy:
		return old, nil
	}
	return nil, unavailable("the session could not be renewed in time: try again", fmt.Errorf("source %s: %v", s.Name, cause(err)))
}

// cause is what lies behind a denial.
func cause(err error) error {
	var denial *authz.Denial
	if errors.As(err, &denial) && denial.Unwrap() != nil {
		return denial.Unwrap()
	}
	return err
}

// renewStored renews a session in a store, which other replicas may be about to
// do. It never brings back a session that was ended meanwhile.
func (s *source) renewStored(ctx context.Context, host string, old *session) (*session, error) {
	lock := s.key("lock", old.ID)
	for {
		mine, err := s.store.Write(ctx, lock, []byte("1"), lockLife, IfAbsent)
		if err != nil {
			return nil, unavailable("the session store is not available", err)
		}
		current, err := s.reload(ctx, host, old.ID)
		switch {
		case err != nil:
			return nil, err
		case current.RenewAt != old.RenewAt || current.RefreshToken != old.RefreshToken:
			if mine {
				s.unlock(ctx, lock)
			}
			return current, nil // somebody was faster
		case mine:
			defer s.unlock(ctx, lock)
			return s.renewLocked(ctx, host, current)
		}
		timer := time.NewTimer(lockPoll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, unavailable("another replica renews the session", ctx.Err())
		}
	}
}

func (s *source) renewLocked(ctx context.Context, host string, current *session) (*session, error) {
	next, err := s.renew(ctx, current)
	if errors.Is(err, errEnded) {
		if err := s.store.Delete(ctx, s.key("session", current.ID), s.key("seen", current.ID)); err != nil {
			return nil, unavailable("the session store is not available", err)
		}
		return nil, errEnded
	}
	if err != nil {
		return nil, err
	}
	return next, s.put(ctx, host, next, IfPresent)
}

func (s *source) reload(ctx context.Context, host, id string) (*session, error) {
	found, err := s.store.Read(ctx, s.key("seen", id), s.key("session", id))
	if err != nil || len(found) != 2 {
		return nil, unavailable("the session store is not available", err)
	}
	is, err := s.unpack(host, id, found[0], found[1])
	return &is, err
}

// unlock gives the lock back, also when the time for the work is over.
func (s *source) unlock(ctx context.Context, lock string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := s.store.Delete(ctx, lock); err != nil {
		s.env.Log.Warn("a session's lock was not given back; it ends by itself", "source", s.Name, "error", err)
	}
}
