package idp

import (
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Client is a service whose people log in here.
type Client struct {
	ID, Secret string
	// RedirectURIs are where browsers may be sent back after a login, and
	// PostLogoutURIs after a logout, exactly.
	RedirectURIs, PostLogoutURIs []string
}

// client is a Client as the library wants it: a web application that uses codes
// and refresh tokens.
type client struct{ Client }

var _ op.Client = client{}

func (c client) GetID() string                      { return c.ID }
func (c client) RedirectURIs() []string             { return c.Client.RedirectURIs }
func (c client) PostLogoutRedirectURIs() []string   { return c.PostLogoutURIs }
func (client) ApplicationType() op.ApplicationType  { return op.ApplicationTypeWeb }
func (client) AuthMethod() oidc.AuthMethod          { return oidc.AuthMethodBasic }
func (client) ResponseTypes() []oidc.ResponseType   { return []oidc.ResponseType{oidc.ResponseTypeCode} }
func (client) LoginURL(request string) string       { return loginPath + "?request=" + request }
func (client) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeBearer }
func (client) IDTokenLifetime() time.Duration       { return 5 * time.Minute }
func (client) DevMode() bool                        { return true } // http on loopback
func (client) IsScopeAllowed(string) bool           { return false }
func (client) IDTokenUserinfoClaimsAssertion() bool { return true }
func (client) ClockSkew() time.Duration             { return 0 }
func (client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
}
func (client) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}
func (client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}
