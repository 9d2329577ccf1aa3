package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"privyseal/authz/verify"
)

// BackChannelPath is where [Logins.BackChannel] is served; a provider's
// configuration names it after the address of the HTTP listener, with the
// source's name: https://auth.example/.privyseal/backchannel-logout/corp.
const BackChannelPath = "/.privyseal/backchannel-logout/"

// logoutTokenLife bounds how old a logout token may be, and so how long its jti
// is remembered.
const logoutTokenLife = 10 * time.Minute

// BackChannel answers providers that end sessions (OpenID Connect Back-Channel
// Logout 1.0). It reads a body, so it is served over HTTP, at
// [BackChannelPath]. Without a store it reaches the sessions of this replica
// alone.
func (l *Logins) BackChannel() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		name, _ := strings.CutPrefix(r.URL.Path, BackChannelPath)
		s := l.named(name)
		switch {
		case s == nil || s.provider == nil:
			http.NotFound(w, r)
			return
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxAnswerBytes)
		if err := r.ParseForm(); err != nil {
			refuse(w, http.StatusBadRequest, "the body is not a form of at most 64 KiB")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), taskTimeout)
		defer cancel()
		err := s.loggedOut(ctx, r.PostForm["logout_token"])
		switch {
		case err == nil:
			w.WriteHeader(http.StatusOK)
		case errors.Is(err, errNoted):
			s.env.Log.Error("a logout of the identity provider was not noted", "source", s.Name, "error", err)
			refuse(w, http.StatusServiceUnavailable, "the logout could not be noted: send it again")
		default:
			s.env.Log.Warn("a logout token was refused", "source", s.Name, "error", fmt.Sprintf("%.300v", err))
			refuse(w, http.StatusBadRequest, "the logout token is not valid")
		}
	})
}

// refuse answers as Back-Channel Logout section 2.8 says.
func refuse(w http.ResponseWriter, status int, description string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, "{\"error\":\"invalid_request\",\"error_description\":%s}\n", strconv.Quote(description))
}

// errNoted says that a logout is valid and could not be carried out.
var errNoted = errors.New("the logout could not be noted")

// loggedOut verifies a logout token and ends the sessions it names: one by sid,
// or all of a person by sub. A token counts once.
func (s *source) loggedOut(ctx context.Context, tokens []string) error {
	if len(tokens) != 1 {
		return errors.New("there is not exactly one logout_token")
	}
	now := s.env.Now()
	keys := &keySet{keys: s.provider.keys, logout: true}
	verifier := oidc.NewVerifier(s.Issuer, keys, &oidc.Config{ClientID: s.ClientID, Now: s.env.Now, SupportedSigningAlgs: algorithms()})
	token, err := verifier.VerifyLogout(ctx, tokens[0])
	switch {
	case errors.Is(keys.err, verify.ErrUnavailable):
		return fmt.Errorf("%w: %v", errNoted, err)
	case err != nil:
		return err
	case token.IssuedAt.After(now.Add(clockSkew)) || now.Sub(token.IssuedAt) > logoutTokenLife:
		return fmt.Errorf("iat is not of the last %v: %v", logoutTokenLife, token.IssuedAt)
	}
	first, err := s.marks.Write(ctx, s.key("jti", token.TokenID), []byte("1"), logoutTokenLife+2*clockSkew, IfAbsent)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %v", errNoted, err)
	case !first:
		return errors.New("the token was used already")
	}
	kind, value := "sid", token.SessionID
	if value == "" {
		kind, value = "sub", token.Subject
	}
	_, err = s.marks.Write(ctx, s.key(kind, value), strconv.AppendInt(nil, now.UnixMilli(), 10), s.Session.Absolute, Always)
	if err != nil {
		s.marks.Delete(ctx, s.key("jti", token.TokenID)) // so that it can be sent again; if not, another will come
		return fmt.Errorf("%w: %v", errNoted, err)
	}
	return nil
}
