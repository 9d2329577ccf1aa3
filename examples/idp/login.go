package idp

import (
	"context"
	"crypto/subtle"
	"html/template"
	"net/http"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const loginPath = "/login"

// loginPage asks who logs in, and believes the answer.
type loginPage struct {
	store  *storage
	back   func(context.Context, string) string // where the login goes on
	always string                               // "": ask
}

var loginTemplate = template.Must(template.New("login").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>Demo identity provider</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:30rem;margin:10vh auto;padding:0 1rem}button{font:inherit;display:block;width:100%;margin:.5rem 0;padding:.7rem;text-align:left}</style></head>
<body><main><h1>Who are you?</h1><p>This is a demonstration: nobody is asked for a password.</p>
<form method="post">{{range .}}<button name="user" value="{{.ID}}"><b>{{.Name}}</b><br>{{range .Groups}}{{.}} {{else}}no groups{{end}}</button>{{end}}</form>
</main></body></html>
`))

func (p *loginPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := r.URL.Query().Get("request")
	w.Header().Set("Cache-Control", "no-store")
	if _, err := p.store.AuthRequestByID(r.Context(), request); err != nil {
		http.Error(w, "this login is over: begin again where you came from", http.StatusBadRequest)
		return
	}
	user := p.always
	if user == "" && r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		loginTemplate.Execute(w, p.store.personas)
		return
	}
	if user == "" {
		user = r.PostFormValue("user")
	}
	if !p.store.login(request, user) {
		http.Error(w, "nobody of that name", http.StatusNotFound)
		return
	}
	http.Redirect(w, r, p.back(r.Context(), request), http.StatusSeeOther)
}

// What follows is the rest of [op.Storage].

// GetClientByClientID finds a registered client.
func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	for _, c := range s.clients {
		if c.ID == id {
			return client{c}, nil
		}
	}
	return nil, noClient()
}

// AuthorizeClientIDSecret checks a client's secret.
func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	for _, c := range s.clients {
		if c.ID == id && c.Secret != "" && subtle.ConstantTimeCompare([]byte(c.Secret), []byte(secret)) == 1 {
			return nil
		}
	}
	return noClient()
}

// SetUserinfoFromScopes does nothing: SetUserinfoFromRequest says it all.
func (*storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromRequest says who a person is, in ID tokens.
func (s *storage) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, request op.IDTokenRequest, _ []string) error {
	p, known := find(s.personas, request.GetSubject())
	if !known {
		return oidc.ErrInvalidRequest().WithDescription("nobody of that name")
	}
	info.Subject = p.ID
	for name, value := range p.claims() {
		info.AppendClaims(name, value)
	}
	return nil
}

func (*storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, noClient()
}

func (*storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, noClient()
}

func (*storage) SetUserinfoFromToken(context.Context, *oidc.UserInfo, string, string, string) error {
	return noClient()
}

func (*storage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return noClient()
}

func noClient() *oidc.Error {
	return oidc.ErrInvalidClient().WithDescription("no such client is registered; for curl there is POST /token?user=alice")
}
