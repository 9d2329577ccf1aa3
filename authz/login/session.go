package login

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"privyseal/authz"
)

// session is a person who is logged in, at one source and on one host.
type session struct {
	ID      string `json:"id"`      // 256 random bits, new at every login
	Started int64  `json:"started"` // milliseconds, so that a login right after a logout is told from one before
	Seen    int64  `json:"seen,omitempty"`

	Logout        logoutNames    `json:"logout"`
	Subject       string         `json:"subject"`
	Email         string         `json:"email,omitempty"`
	EmailVerified bool           `json:"email_verified,omitempty"`
	Name          string         `json:"name,omitempty"`
	Groups        []string       `json:"groups,omitempty"`
	GroupsUnknown bool           `json:"groups_unknown,omitempty"`
	GroupsAbsent  bool           `json:"groups_absent,omitempty"`
	ACR           string         `json:"acr,omitempty"`
	AMR           []string       `json:"amr,omitempty"`
	AuthTime      int64          `json:"auth_time,omitempty"`
	Claims        map[string]any `json:"claims,omitempty"`

	RefreshToken string `json:"refresh,omitempty"`
	RenewAt      int64  `json:"renew_at,omitempty"` // when to renew; 0 is never
	RenewBy      int64  `json:"renew_by,omitempty"` // not used beyond it without being renewed
	IDToken      string `json:"id_token,omitempty"` // in a store only
}

// logoutNames are what the provider calls the person and the session when it
// ends them.
type logoutNames struct {
	Subject string `json:"sub"`
	Session string `json:"sid,omitempty"`
}

func (s *source) newSession(claims map[string]any) (*session, error) {
	var random [32]byte
	if _, err := io.ReadFull(s.env.Rand, random[:]); err != nil {
		return nil, fmt.Errorf("no randomness for a session: %v", err)
	}
	now := s.env.Now()
	next := &session{ID: base64.RawURLEncoding.EncodeToString(random[:]), Started: now.UnixMilli(), Seen: now.Unix()}
	return next, s.read(next, claims)
}

// ends is when the session ends if nothing more happens.
func (s *source) ends(is *session) time.Time {
	absolute := time.UnixMilli(is.Started).Add(s.Session.Absolute)
	if idle := time.Unix(is.Seen, 0).Add(s.Session.Idle); idle.Before(absolute) {
		return idle
	}
	return absolute
}

// identity is who the person is, in the words of the source.
func (s *source) identity(is *session) *authz.Identity {
	id := authz.Identity{
		Source: s.Name, Issuer: s.Issuer, Subject: is.Subject, Session: is.Logout.Session,
		Email: is.Email, EmailVerified: is.EmailVerified, Name: is.Name,
		Groups: is.Groups, GroupsUnknown: is.GroupsUnknown, GroupsAbsent: is.GroupsAbsent,
		ACR: is.ACR, AMR: is.AMR, Claims: is.Claims,
		Expires: s.ends(is).Truncate(time.Second).UTC(),
	}
	if is.AuthTime != 0 {
		id.AuthTime = time.Unix(is.AuthTime, 0).UTC()
	}
	if id.Groups == nil && !is.GroupsUnknown && !is.GroupsAbsent {
		id.Groups = []string{} // said, and empty
	}
	return authz.NewIdentity(id)
}

// expired is the denial of a session that is over.
func expired(source, why string) *authz.Denial {
	return (&authz.Denial{Reason: authz.ExpiredCredential, Detail: "the session is over: log in again"}).
		Because(fmt.Errorf("source %s: %s", source, strings.TrimSpace(why)))
}
