package login

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"privyseal/authz"
	"privyseal/authz/verify"
)

// clockSkew is how far a provider's clock may be ahead of ours.
const clockSkew = time.Minute

// exchange redeems the code of an attempt (OpenID Connect Core section 3.1.3)
// and makes a new session of what the provider says.
func (s *source) exchange(ctx context.Context, f *flow, code string) (*session, error) {
	m, err := s.provider.metadata(ctx)
	if err != nil {
		return nil, err
	}
	config := m.config(&s.Source)
	config.RedirectURL = f.Redirect
	token, err := config.Exchange(context.WithValue(ctx, oauth2.HTTPClient, s.provider.client), code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return nil, s.refused(err, "the identity provider did not accept the login")
	}
	claims, raw, err := s.verified(ctx, token)
	if err != nil {
		return nil, err
	}
	if claims["nonce"] != f.Nonce {
		return nil, loginFailed("the identity provider answered another login", fmt.Errorf("source %s: nonce of the ID token is not the flow's", s.Name))
	}
	next, err := s.newSession(claims)
	if err != nil {
		return nil, err
	}
	if err := s.satisfies(f, next); err != nil {
		return nil, err
	}
	s.remember(next, token, raw)
	return next, nil
}

// satisfies reports whether a login is as strong and as recent as was asked.
// A provider may ignore the question; asking again would go round in circles.
func (s *source) satisfies(f *flow, got *session) error {
	if len(f.ACR) > 0 && !slices.Contains(f.ACR, got.ACR) {
		return loginFailed("the identity provider did not authenticate as strongly as this application requires",
			fmt.Errorf("source %s: acr is %.80q, asked for %q", s.Name, got.ACR, f.ACR))
	}
	if age := s.env.Now().Unix() - got.AuthTime; f.MaxAge > 0 && (got.AuthTime == 0 || age > f.MaxAge+int64(clockSkew/time.Second)) {
		return loginFailed("the identity provider did not authenticate as recently as this application requires",
			fmt.Errorf("source %s: auth_time is %d, max_age was %d", s.Name, got.AuthTime, f.MaxAge))
	}
	return nil
}

// verified returns the claims of a token answer's ID token (OpenID Connect Core
// section 3.1.3.7), and the ID token itself.
func (s *source) verified(ctx context.Context, token *oauth2.Token) (map[string]any, string, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return nil, "", loginFailed("the identity provider sent no ID token", fmt.Errorf("source %s: no id_token in the answer", s.Name))
	}
	invalid := func(err error) error {
		return loginFailed("the identity provider's word cannot be believed", fmt.Errorf("source %s: %.300v", s.Name, err))
	}
	keys := &keySet{keys: s.provider.keys}
	verifier := oidc.NewVerifier(s.Issuer, keys, &oidc.Config{ClientID: s.ClientID, Now: s.env.Now, SupportedSigningAlgs: algorithms()})
	id, err := verifier.Verify(ctx, raw)
	switch {
	case errors.Is(keys.err, verify.ErrUnavailable) || err != nil && ctx.Err() != nil:
		return nil, "", unavailable("the keys of the identity provider are not available", fmt.Errorf("source %s: %.300v", s.Name, err))
	case err != nil:
		return nil, "", invalid(err)
	case id.Issuer != s.Issuer:
		return nil, "", invalid(errors.New("iss is another"))
	case id.IssuedAt.After(s.env.Now().Add(clockSkew)):
		return nil, "", invalid(fmt.Errorf("iat is in the future: %v", id.IssuedAt))
	case id.AccessTokenHash != "" && id.VerifyAccessToken(token.AccessToken) != nil:
		return nil, "", invalid(errors.New("at_hash is that of another access token"))
	}
	claims, err := decodeClaims(id)
	if err != nil {
		return nil, "", invalid(err)
	}
	if azp, present := claims["azp"]; present && azp != s.ClientID || !present && len(id.Audience) > 1 {
		return nil, "", invalid(errors.New("azp is not this client"))
	}
	return claims, raw, nil
}

// keySet keeps the error of the keys, which the verifier writes into a text.
type keySet struct {
	keys   *verify.KeySet
	logout bool // logout tokens have a type of their own
	err    error
}

// VerifySignature implements [oidc.KeySet].
func (k *keySet) VerifySignature(ctx context.Context, jws string) (payload []byte, err error) {
	defer func() { k.err = err }()
	if !k.logout {
		return k.keys.VerifySignature(ctx, jws)
	}
	signed, err := k.keys.Verify(ctx, jws)
	if err != nil {
		return nil, err
	}
	switch strings.TrimPrefix(strings.ToLower(signed.Type), "application/") {
	case "", "jwt", "logout+jwt": // Back-Channel Logout section 2.4
		return signed.Payload, nil
	}
	return nil, errors.New("typ is not that of a logout token")
}

// algorithms that ID tokens may be signed with: those of the key set.
func algorithms() []string {
	return []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"}
}

// remember keeps the tokens by which the session can be renewed and ended.
func (s *source) remember(next *session, token *oauth2.Token, raw string) {
	now := s.env.Now()
	if s.store != nil && raw != "" {
		next.IDToken = raw
	}
	if token.RefreshToken != "" {
		next.RefreshToken = token.RefreshToken
	}
	if next.RefreshToken == "" || token.Expiry.IsZero() {
		next.RenewAt, next.RenewBy = 0, 0
		return
	}
	life := max(time.Duration(token.ExpiresIn)*time.Second, time.Minute)
	next.RenewAt, next.RenewBy = now.Add(life*8/10).Unix(), now.Add(life).Unix()
}

// errEnded says that the provider ended a session.
var errEnded = errors.New("the identity provider ended the session")

// renew asks the provider whether a session goes on (OpenID Connect Core
// section 12), and takes up what it says of the person now.
func (s *source) renew(ctx context.Context, old *session) (*session, error) {
	m, err := s.provider.metadata(ctx)
	if err != nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, s.provider.client)
	token, err := m.config(&s.Source).TokenSource(ctx, &oauth2.Token{RefreshToken: old.RefreshToken}).Token()
	var answer *oauth2.RetrieveError
	switch {
	case errors.As(err, &answer) && answer.ErrorCode == "invalid_grant":
		return nil, errEnded
	case err != nil:
		// Any other refusal is about this service, such as a wrong client secret,
		// and ends no session.
		return nil, unavailable("the identity provider does not renew sessions", cause(s.refused(err, "")))
	}
	next := *old
	if said, _ := token.Extra("id_token").(string); said != "" {
		claims, raw, err := s.verified(ctx, token)
		if err != nil {
			return nil, err
		}
		if err := s.read(&next, claims); err != nil {
			return nil, err
		}
		if next.Subject != old.Subject || next.Logout.Subject != old.Logout.Subject {
			return nil, errEnded // another person
		}
		if next.AuthTime == 0 { // a renewal is no authentication, and may be silent about the last one
			next.AuthTime = old.AuthTime
		}
		if next.ACR == "" {
			next.ACR, next.AMR = old.ACR, old.AMR
		}
		s.remember(&next, token, raw)
		return &next, nil
	}
	s.remember(&next, token, "")
	return &next, nil
}

// refused tells a provider that says no from one that cannot be reached. Error
// texts of the client hold what the provider sent, so they are not repeated.
func (s *source) refused(err error, detail string) error {
	var denial *authz.Denial
	var answer *oauth2.RetrieveError
	switch {
	case errors.As(err, &denial):
		return denial
	case !errors.As(err, &answer):
		return unavailable("the identity provider is not available", fmt.Errorf("source %s: %s", s.Name, network(err)))
	case answer.Response != nil && answer.Response.StatusCode/100 != 4 || answer.ErrorCode == "temporarily_unavailable":
		return unavailable("the identity provider is not available", fmt.Errorf("source %s: status %d", s.Name, answer.Response.StatusCode))
	}
	return loginFailed(detail, fmt.Errorf("source %s: the token endpoint says %q", s.Name, word(answer.ErrorCode)))
}
