package idp

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// maxKept bounds the logins, and the refresh tokens, that the provider keeps; the
// demo needs a handful.
const maxKept = 1000

// flow is one login: asked for by a client, then answered by a person, then
// redeemed by its code.
type flow struct {
	*oidc.AuthRequest
	id, code, subject string
	at                time.Time
}

var _ op.AuthRequest = flow{}

func (f flow) GetID() string                      { return f.id }
func (f flow) GetSubject() string                 { return f.subject }
func (f flow) Done() bool                         { return f.subject != "" }
func (f flow) GetAuthTime() time.Time             { return f.at }
func (f flow) GetACR() string                     { return "" }
func (f flow) GetAMR() []string                   { return nil }
func (f flow) GetAudience() []string              { return []string{f.ClientID} }
func (f flow) GetClientID() string                { return f.ClientID }
func (f flow) GetNonce() string                   { return f.Nonce }
func (f flow) GetRedirectURI() string             { return f.RedirectURI }
func (f flow) GetResponseType() oidc.ResponseType { return f.ResponseType }
func (f flow) GetResponseMode() oidc.ResponseMode { return f.ResponseMode }
func (f flow) GetScopes() []string                { return f.Scopes }
func (f flow) GetState() string                   { return f.State }
func (f flow) GetCodeChallenge() *oidc.CodeChallenge {
	if f.CodeChallenge == "" {
		return nil
	}
	return &oidc.CodeChallenge{Challenge: f.CodeChallenge, Method: f.CodeChallengeMethod}
}

// grant is a refresh token's ground.
type grant struct {
	client, subject string
	at              time.Time
	scopes          []string
}

var _ op.RefreshTokenRequest = (*grant)(nil)

func (g *grant) GetAMR() []string            { return nil }
func (g *grant) GetAudience() []string       { return []string{g.client} }
func (g *grant) GetAuthTime() time.Time      { return g.at }
func (g *grant) GetClientID() string         { return g.client }
func (g *grant) GetScopes() []string         { return g.scopes }
func (g *grant) GetSubject() string          { return g.subject }
func (g *grant) SetCurrentScopes(s []string) { g.scopes = s }

// CreateAuthRequest begins a login.
func (s *storage) CreateAuthRequest(_ context.Context, asked *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.flows) >= maxKept {
		s.flows = slices.Delete(s.flows, 0, 1)
	}
	f := flow{AuthRequest: asked, id: rand.Text()}
	s.flows = append(s.flows, f)
	return f, nil
}

// login notes who a person is.
func (s *storage) login(id, user string) (known bool) {
	if _, known = find(s.personas, user); !known {
		return false
	}
	return s.change(func(f *flow) bool {
		if f.id != id {
			return false
		}
		f.subject, f.at = user, time.Now()
		return true
	}) == nil
}

// AuthRequestByID finds a login.
func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	return s.flow(func(f flow) bool { return f.id == id })
}

// AuthRequestByCode finds the login that a code stands for.
func (s *storage) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	return s.flow(func(f flow) bool { return code != "" && f.code == code })
}

// SaveAuthCode gives a login its code.
func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	return s.change(func(f *flow) bool {
		if f.id != id {
			return false
		}
		f.code = code
		return true
	})
}

// DeleteAuthRequest forgets a login: its code was used.
func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flows = slices.DeleteFunc(s.flows, func(f flow) bool { return f.id == id })
	return nil
}

func (s *storage) flow(is func(flow) bool) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.flows, is); i >= 0 {
		return s.flows[i], nil
	}
	return nil, oidc.ErrInvalidGrant().WithDescription("the login is over")
}

func (s *storage) change(try func(*flow) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.flows {
		if try(&s.flows[i]) {
			return nil
		}
	}
	return oidc.ErrInvalidRequest().WithDescription("the login is over")
}

// CreateAccessAndRefreshTokens makes a refresh token in place of the one that
// was used: each serves once.
func (s *storage) CreateAccessAndRefreshTokens(_ context.Context, r op.TokenRequest, used string) (id, refresh string, expires time.Time, err error) {
	next := &grant{subject: r.GetSubject(), scopes: r.GetScopes()}
	switch r := r.(type) {
	case flow:
		next.client, next.at = r.ClientID, r.at
	case *grant:
		next.client, next.at = r.client, r.at
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.grants, used)
	if len(s.grants) >= maxKept {
		clear(s.grants)
	}
	refresh = rand.Text()
	s.grants[refresh] = next
	return rand.Text(), refresh, time.Now().Add(s.lifetime), nil
}

// TokenRequestByRefreshToken finds what a refresh token was given for.
func (s *storage) TokenRequestByRefreshToken(_ context.Context, refresh string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := s.grants[refresh]; ok {
		return g, nil
	}
	return nil, op.ErrInvalidRefreshToken
}

// TerminateSession ends what a person has at a client.
func (s *storage) TerminateSession(_ context.Context, user, client string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, g := range s.grants {
		if g.subject == user && g.client == client {
			delete(s.grants, token)
		}
	}
	return nil
}

// RevokeToken ends a refresh token.
func (s *storage) RevokeToken(_ context.Context, token, _, _ string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.grants, token)
	return nil
}

// GetRefreshTokenInfo says whose a refresh token is.
func (s *storage) GetRefreshTokenInfo(_ context.Context, _, token string) (user, id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := s.grants[token]; ok {
		return g.subject, token, nil
	}
	return "", "", op.ErrInvalidRefreshToken
}
