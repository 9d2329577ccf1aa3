package login

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"privyseal/authz"
)

// Where sessions are: in their cookie, or in a store, where the cookie holds
// what it takes to find them.

// maxStoredBytes bounds a session in a store.
const maxStoredBytes = 64 << 10

// key names something of the source in a store. What is named may be a session
// id, which whoever reads the store must not learn.
func (s *source) key(kind, value string) string {
	sum := sha256.Sum256([]byte(s.Issuer + "\x00" + s.ClientID + "\x00" + value))
	return "privyseal:login:" + s.Name + ":" + kind + ":" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// load returns the session that the request's cookie stands for, if it is in
// force: [authz.ErrNoCredential] if there is no cookie, a denial if the session
// is none of ours, or over.
func (s *source) load(ctx context.Context, r *authz.Request) (*session, error) {
	value, ok, err := authz.Cookie(r.Headers, sessionPrefix+s.Name)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, authz.ErrNoCredential
	}
	var is session
	if err := s.sessions.open(value, r.Host, &is); err != nil {
		return nil, (&authz.Denial{Reason: authz.InvalidCredential, Detail: "the session cannot be read: log in again"}).
			Because(fmt.Errorf("source %s: the session cookie %v", s.Name, err))
	}
	marks := []string{s.key("id", is.ID), s.key("sub", is.Logout.Subject), s.key("sid", is.Logout.Session)}
	if s.store != nil {
		marks = append(marks, s.key("seen", is.ID), s.key("session", is.ID))
	}
	found, err := s.marks.Read(ctx, marks...)
	if err == nil && len(found) != len(marks) {
		err = errors.New("answered another number of keys")
	}
	if err != nil {
		return nil, unavailable("the session store is not available", fmt.Errorf("source %s: %v", s.Name, err))
	}
	for _, mark := range found[:3] {
		if until, err := strconv.ParseInt(string(mark), 10, 64); mark != nil && (err != nil || is.Started <= until) {
			return nil, expired(s.Name, "the session was logged out")
		}
	}
	if s.store != nil {
		if is, err = s.unpack(r.Host, is.ID, found[3], found[4]); err != nil {
			return nil, err
		}
	}
	if !s.env.Now().Before(s.ends(&is)) {
		return nil, expired(s.Name, "the session was idle too long, or is too old")
	}
	return &is, nil
}

// unpack reads a session out of a store's values.
func (s *source) unpack(host, id string, seen, stored []byte) (is session, err error) {
	if stored == nil || seen == nil {
		return is, expired(s.Name, "the store does not hold the session")
	}
	err = s.stored.open(string(stored), host+" "+id, &is)
	if err == nil {
		is.Seen, err = strconv.ParseInt(string(seen), 10, 64)
	}
	if err != nil {
		return is, expired(s.Name, "the store holds something else")
	}
	return is, nil
}

// save keeps a session that is new or renewed, and gives the browser its cookie.
func (s *source) save(ctx context.Context, host string, fx *authz.Effects, is *session) error {
	content := *is
	if s.store != nil {
		if err := s.put(ctx, host, is, Always); err != nil {
			return err
		}
		if err := s.see(ctx, is); err != nil {
			return err
		}
		content = session{ID: is.ID, Started: is.Started, Logout: is.Logout}
	}
	sealed, err := s.sessions.seal(content, host)
	if err != nil {
		return err
	}
	line := cookieLine(sessionPrefix+s.Name, sealed, s.remaining(is))
	if len(line) > maxCookieBytes {
		return s.tooLarge(len(line), maxCookieBytes)
	}
	fx.SetCookie(line)
	return nil
}

// put writes a session into the store.
func (s *source) put(ctx context.Context, host string, is *session, when Condition) error {
	sealed, err := s.stored.seal(is, host+" "+is.ID)
	if err != nil {
		return err
	}
	if len(sealed) > maxStoredBytes {
		return s.tooLarge(len(sealed), maxStoredBytes)
	}
	written, err := s.store.Write(ctx, s.key("session", is.ID), []byte(sealed), s.remaining(is), when)
	if err != nil {
		return unavailable("the session store is not available", fmt.Errorf("source %s: %v", s.Name, err))
	}
	if !written {
		return expired(s.Name, "the session was ended meanwhile")
	}
	return nil
}

// see notes in the store that the session is used.
func (s *source) see(ctx context.Context, is *session) error {
	_, err := s.store.Write(ctx, s.key("seen", is.ID), strconv.AppendInt(nil, is.Seen, 10), s.Session.Idle, Always)
	if err != nil {
		return unavailable("the session store is not available", fmt.Errorf("source %s: %v", s.Name, err))
	}
	return nil
}

// touch puts off the end of an idle session, now and then: a cookie or a write
// for each request would be too much.
func (s *source) touch(ctx context.Context, host string, fx *authz.Effects, is *session) (*session, error) {
	now := s.env.Now().Unix()
	if now-is.Seen < int64(s.Session.Idle/time.Second)/10 {
		return is, nil
	}
	seen := *is
	seen.Seen = now
	if s.store != nil {
		return &seen, s.see(ctx, &seen)
	}
	return &seen, s.save(ctx, host, fx, &seen)
}

// end ends a session everywhere it can be ended: the cookie goes, the store
// forgets it, and a copy of the cookie is refused.
func (s *source) end(ctx context.Context, fx *authz.Effects, is *session) error {
	s.clear(fx)
	_, err := s.marks.Write(ctx, s.key("id", is.ID), strconv.AppendInt(nil, is.Started, 10), s.remaining(is), Always)
	if err == nil && s.store != nil {
		err = s.store.Delete(ctx, s.key("session", is.ID), s.key("seen", is.ID))
	}
	if err != nil {
		return unavailable("the logout could not be noted: try again", fmt.Errorf("source %s: %v", s.Name, err))
	}
	return nil
}

// clear takes the cookie away.
func (s *source) clear(fx *authz.Effects) { fx.SetCookie(cookieLine(sessionPrefix+s.Name, "", 0)) }

// remaining is how long the session may last at most.
func (s *source) remaining(is *session) time.Duration {
	return max(time.UnixMilli(is.Started).Add(s.Session.Absolute).Sub(s.env.Now()), time.Second)
}

func (s *source) tooLarge(size, limit int) error {
	advice := "keep sessions in a store (session.store), or ask for fewer groups and claims"
	if s.store != nil {
		advice = "ask for fewer groups and claims"
	}
	return (&authz.Denial{Reason: authz.SessionTooLarge, Detail: "there is too much in this session to keep it; an administrator can change that"}).
		Because(fmt.Errorf("source %s: the session takes %d bytes, over %d: %s", s.Name, size, limit, advice))
}
