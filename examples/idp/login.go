package idp

import (
	"context"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// There is no login page yet: no client is registered, so every flow that would
// need one ends here. The methods are the rest of [op.Storage].

func (*storage) GetClientByClientID(context.Context, string) (op.Client, error) {
	return nil, noClient()
}

func (*storage) AuthorizeClientIDSecret(context.Context, string, string) error { return noClient() }

func (*storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, noClient()
}

func (*storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, noClient()
}

func (*storage) CreateAuthRequest(context.Context, *oidc.AuthRequest, string) (op.AuthRequest, error) {
	return nil, noClient()
}

func (*storage) AuthRequestByID(context.Context, string) (op.AuthRequest, error) {
	return nil, noClient()
}

func (*storage) AuthRequestByCode(context.Context, string) (op.AuthRequest, error) {
	return nil, noClient()
}

func (*storage) SaveAuthCode(context.Context, string, string) error { return noClient() }
func (*storage) DeleteAuthRequest(context.Context, string) error    { return noClient() }

func (*storage) CreateAccessAndRefreshTokens(context.Context, op.TokenRequest, string) (string, string, time.Time, error) {
	return "", "", time.Time{}, noClient()
}

func (*storage) TokenRequestByRefreshToken(context.Context, string) (op.RefreshTokenRequest, error) {
	return nil, noClient()
}

func (*storage) TerminateSession(context.Context, string, string) error { return noClient() }

func (*storage) RevokeToken(context.Context, string, string, string) *oidc.Error { return noClient() }

func (*storage) GetRefreshTokenInfo(context.Context, string, string) (string, string, error) {
	return "", "", op.ErrInvalidRefreshToken
}

func (*storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return noClient()
}

func (*storage) SetUserinfoFromToken(context.Context, *oidc.UserInfo, string, string, string) error {
	return noClient()
}

func (*storage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return noClient()
}

func noClient() *oidc.Error {
	return oidc.ErrInvalidClient().WithDescription("no client is registered; use POST /token?user=alice")
}
