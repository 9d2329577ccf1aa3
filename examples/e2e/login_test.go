package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"

	"privyseal/authz"
)

// stubLogin does through Envoy what a browser login needs: a redirect with
// cookies, a session kept alive on an allowed request, an endpoint of its own.
type stubLogin struct{}

func (stubLogin) Authenticate(_ context.Context, r *authz.Request, fx *authz.Effects) (*authz.Identity, error) {
	session, ok, err := authz.Cookie(r.Headers, "__Host-privyseal_s")
	if err != nil {
		return nil, err
	}
	if !ok || session != "alice" {
		return nil, authz.ErrNoCredential
	}
	fx.SetCookie("__Host-privyseal_s=renewed; Path=/; Secure; HttpOnly")
	return alice, nil
}

func (stubLogin) Challenge(_ context.Context, _ *authz.Request, _ *authz.Denial, fx *authz.Effects) (*authz.Reply, error) {
	fx.SetCookie("__Host-privyseal_f_1=flow; Path=/; Secure; HttpOnly")
	fx.SetCookie("__Host-privyseal_f_0=; Path=/; Max-Age=0")
	return &authz.Reply{Status: 302, Location: "https://idp.example/authorize?state=1"}, nil
}

type me struct{}

func (me) Answer(context.Context, *authz.Request, *authz.Effects) (*authz.Reply, error) {
	return &authz.Reply{Status: 200, ContentType: "application/json", Body: []byte(`{"sub":"alice"}`)}, nil
}

func TestLoginFits(t *testing.T) {
	w := bare(t, knobs{RawHeaders: true, Authz: stub(t, authorizer(t, authz.Options{
		Policy: oneRule{rule(stubLogin{})}, Signer: fixedSigner{}, Endpoints: map[string]authz.Endpoint{"/.privyseal/me": me{}},
	}))})
	t.Run("a redirect with two cookies", func(t *testing.T) {
		r := w.get(t, "/app").want(t, 302)
		if r.header.Get("location") != "https://idp.example/authorize?state=1" || len(r.header.Values("set-cookie")) != 2 {
			t.Errorf("headers: %v", r.header)
		}
	})
	t.Run("a session that is renewed and hidden", func(t *testing.T) {
		r := w.get(t, "/app", "cookie: a=1; __Host-privyseal_s=alice; __Host-privyseal_f_1=x").want(t, 200)
		if got := fields(r.body, "cookie"); !slices.Equal(got, []string{"a=1"}) {
			t.Errorf("cookies at the application: %q", got)
		}
		if got := r.header.Values("cache-control"); !slices.Equal(got, []string{"no-store"}) {
			t.Errorf("the cookie may be cached: %q", got)
		}
		cookies := strings.Join(r.header.Values("set-cookie"), "\n")
		for _, want := range []string{"__Host-privyseal_s=renewed", "app=1", "app2=2"} {
			if !strings.Contains(cookies, want) {
				t.Errorf("cookies at the client lack %s: %s", want, cookies)
			}
		}
	})
	t.Run("an endpoint", func(t *testing.T) {
		r := w.get(t, "/.privyseal/me").want(t, 200)
		if r.body != `{"sub":"alice"}` || r.header.Get("content-type") != "application/json" {
			t.Errorf("%v %s", r.header, r.body)
		}
		w.get(t, "/.privyseal/../.privyseal/me").want(t, 302)
	})
}
