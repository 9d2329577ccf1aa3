package login

import (
	"time"

	"privyseal/authz"
)

const (
	triesWithin = time.Minute
	maxTries    = 3
)

// tries are the times, in seconds, at which logins of this browser completed,
// the latest last. A login that is followed by another challenge did not help;
// when that has happened [maxTries] times within a minute, going round once
// more will not help either. Tabs that log in side by side do not count: after
// them nothing is challenged.
type tries []int64

// tried returns the completed logins of the last minute. A cookie that cannot
// be read counts for nothing.
func (s *source) tried(r *authz.Request) tries {
	var all, recent tries
	value, _, err := authz.Cookie(r.Headers, triesPrefix+s.Name)
	if err != nil || s.tries.open(value, r.Host, &all) != nil {
		return nil
	}
	for _, t := range all {
		if s.env.Now().Unix()-t < int64(triesWithin/time.Second) {
			recent = append(recent, t)
		}
	}
	return recent
}

// try notes that a login completed.
func (s *source) try(r *authz.Request, fx *authz.Effects) error {
	recent := append(s.tried(r), s.env.Now().Unix())
	sealed, err := s.tries.seal(recent[max(0, len(recent)-maxTries):], r.Host)
	if err != nil {
		return err
	}
	fx.SetCookie(cookieLine(triesPrefix+s.Name, sealed, triesWithin))
	return nil
}
