package idp

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// Options of a provider.
type Options struct {
	// Issuer is the provider's own URL. Required.
	Issuer string
	// Audience is the aud of access tokens. Default "api".
	Audience string
	// Lifetime of access tokens. Default one hour.
	Lifetime time.Duration
	// Personas are the people it knows. Default [Personas].
	Personas []Persona
	// Clients are the services whose people log in here. Default: none.
	Clients []Client
	// Always is the person that everybody is taken for, without being asked; for
	// tests with browsers. Default: the login page asks.
	Always string
}

// New returns the provider's handler, with a new signing key.
func New(o Options) (http.Handler, error) {
	if o.Audience == "" {
		o.Audience = "api"
	}
	if o.Lifetime == 0 {
		o.Lifetime = time.Hour
	}
	if o.Personas == nil {
		o.Personas = Personas()
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	store := &storage{personas: o.Personas, clients: o.Clients, lifetime: o.Lifetime, key: key, grants: map[string]*grant{}}
	config := &op.Config{CodeMethodS256: true, AuthMethodPost: true, GrantTypeRefreshToken: true}
	rand.Read(config.CryptoKey[:])
	provider, err := op.NewProvider(config, store, op.StaticIssuer(o.Issuer), op.WithAllowInsecure())
	if err != nil {
		return nil, fmt.Errorf("identity provider %s: %v", o.Issuer, err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /token", &tokens{o, provider})
	mux.Handle(loginPath, op.NewIssuerInterceptor(provider.IssuerFromRequest).Handler(&loginPage{store, op.AuthCallbackURL(provider), o.Always}))
	mux.Handle("/", provider)
	return mux, nil
}

// tokens answers with an access token for whoever is asked for.
type tokens struct {
	o        Options
	provider *op.Provider
}

func (t *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user := r.URL.Query().Get("user")
	if _, known := find(t.o.Personas, user); !known {
		http.Error(w, "nobody of that name: ask for /token?user=alice, bob or mallory", http.StatusNotFound)
		return
	}
	ctx := op.ContextWithIssuer(r.Context(), t.o.Issuer)
	grant := tokenRequest{subject: user, audience: t.o.Audience}
	token, _, _, err := op.CreateAccessToken(ctx, grant, op.AccessTokenTypeJWT, t.provider, curl{}, "")
	if err != nil {
		http.Error(w, "the token cannot be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	io.WriteString(w, token+"\n")
}
