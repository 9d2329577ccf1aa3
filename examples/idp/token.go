package idp

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// tokenRequest is the ground on which an access token is made.
type tokenRequest struct{ subject, audience string }

func (r tokenRequest) GetSubject() string    { return r.subject }
func (r tokenRequest) GetAudience() []string { return []string{r.audience} }
func (r tokenRequest) GetScopes() []string   { return []string{oidc.ScopeOpenID} }

// curl is the client to which tokens of the token page are issued.
type curl struct{}

func (curl) GetID() string                { return "curl" }
func (curl) ClockSkew() time.Duration     { return 0 }
func (curl) GrantTypes() []oidc.GrantType { return nil }
func (curl) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}

// CreateAccessToken names a token and its end; the token itself is a JWT, so
// nothing is kept.
func (s *storage) CreateAccessToken(context.Context, op.TokenRequest) (id string, expires time.Time, err error) {
	return rand.Text(), time.Now().Add(s.lifetime), nil
}

// GetPrivateClaimsFromScopes returns the claims of a person that access tokens
// carry.
func (s *storage) GetPrivateClaimsFromScopes(_ context.Context, userID, _ string, _ []string) (map[string]any, error) {
	p, known := find(s.personas, userID)
	if !known {
		return nil, oidc.ErrInvalidRequest().WithDescription("nobody of that name")
	}
	return p.claims(), nil
}
