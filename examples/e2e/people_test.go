package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	gojose "github.com/go-jose/go-jose/v4"

	"privyseal/authz"
)

// people is the configuration of a service where people log in.
const people = `
identity:
  - login: {name: people, issuer: "%s", client_id: privyseal, cookie_secrets: [0123456789abcdef0123456789abcdef], post_logout: /bye}
rules:
  - {name: bye, match: {hosts: [localhost], paths: [/bye]}, public: true}
  - {name: admin, match: {hosts: [localhost], paths: ["/admin/**"]}, audience: app, allow: {groups: [admins]}, explain: Ask the admins & wait.}
  - {name: app, match: {hosts: [localhost]}, audience: app, allow: {groups: [staff]}}
`

// newProvider is an OpenID Connect provider that takes everybody for Alice.
func newProvider(t *testing.T) (issuer string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	signer, err := gojose.NewSigner(gojose.SigningKey{Algorithm: gojose.ES256, Key: gojose.JSONWebKey{Key: key, KeyID: "k1"}}, (&gojose.SignerOptions{}).WithType("JWT"))
	must(t, err)
	var nonces sync.Map // by code
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{
			"issuer": server.URL, "authorization_endpoint": server.URL + "/authorize", "token_endpoint": server.URL + "/token",
			"jwks_uri": server.URL + "/jwks", "end_session_endpoint": server.URL + "/logout",
		})
	})
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(gojose.JSONWebKeySet{Keys: []gojose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		code := rand.Text()
		nonces.Store(code, r.URL.Query().Get("nonce"))
		http.Redirect(w, r, r.URL.Query().Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {r.URL.Query().Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		nonce, _ := nonces.LoadAndDelete(r.FormValue("code"))
		now := time.Now().Unix()
		payload, _ := json.Marshal(map[string]any{
			"iss": server.URL, "aud": "privyseal", "sub": "alice", "groups": []string{"staff"}, "nonce": nonce, "iat": now, "exp": now + 300,
		})
		token, err := signer.Sign(payload)
		if err != nil {
			t.Error(err)
			return
		}
		text, _ := token.CompactSerialize()
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"access_token": "opaque", "token_type": "Bearer", "id_token": text})
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("post_logout_redirect_uri"), http.StatusFound)
	})
	return server.URL
}

func peopleWorld(t *testing.T) *world {
	t.Helper()
	s := startService(t, fmt.Sprintf(people, newProvider(t)))
	w := bare(t, knobs{Authz: s.grpc, KeySet: s.http, RawHeaders: true})
	w.service, w.host = s, "localhost"
	return w
}

var opens = []string{"accept: text/html", "sec-fetch-mode: navigate", "sec-fetch-dest: document", "sec-fetch-site: none"}

// cookies are those that responses set, as a Cookie line.
func (r response) cookies() string {
	var pairs []string
	for _, line := range r.header.Values("set-cookie") {
		if c, err := http.ParseSetCookie(line); err == nil && c.MaxAge >= 0 {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return "cookie: " + strings.Join(pairs, "; ")
}

func TestPeopleLogInThroughEnvoy(t *testing.T) {
	w := peopleWorld(t)
	w.get(t, "/orders?a=1", "accept: */*").want(t, 401)
	begun := w.get(t, "/orders?a=1", opens...).want(t, 303)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(begun.header.Get("location"))
	must(t, err)
	answer.Body.Close()
	callback, err := url.Parse(answer.Header.Get("location"))
	must(t, err)

	back := w.get(t, callback.RequestURI(), append(opens, begun.cookies())...).want(t, 303)
	if back.header.Get("location") != "/orders?a=1" {
		t.Errorf("the browser is sent to %s", back.header.Get("location"))
	}
	session := back.cookies()
	r := w.get(t, "/orders?a=1", append(opens, session+"; theirs=1")...).want(t, 200)
	if a := w.assertion(t, r, "app"); a.Subject != "alice" || a.IdentityProvider != "people" {
		t.Errorf("assertion %+v", a)
	}
	if got := fields(r.body, "cookie"); len(got) != 1 || got[0] != "theirs=1" {
		t.Errorf("cookies at the application: %q", got)
	}
	page := w.get(t, "/admin/", append(opens, session)...).want(t, 403)
	for _, want := range []string{"Ask the admins &amp; wait.", page.header.Get("x-privyseal-decision")} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %q:\n%s", want, page.body)
		}
	}
	if page.header.Get("content-security-policy") != authz.PagePolicy() || page.header.Get("cache-control") != "no-store" {
		t.Errorf("headers of the page: %v", page.header)
	}
	out := w.get(t, "/.privyseal/logout", "accept: text/html", "sec-fetch-site: same-origin", session).want(t, 303)
	if !strings.Contains(out.header.Get("location"), "/logout?client_id=privyseal&post_logout_redirect_uri=http%3A%2F%2Flocalhost%2Fbye") {
		t.Errorf("logout leads to %s", out.header.Get("location"))
	}
	w.get(t, "/orders", "accept: */*", session).want(t, 401)
}

// TestPeopleLogInWithABrowser lets a real browser judge cookies, redirects and
// the policy of pages.
func TestPeopleLogInWithABrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not in PATH")
	}
	w := peopleWorld(t)
	profile := t.TempDir()
	open := func(path string) string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server",
			"--disable-background-networking", "--user-data-dir="+profile, "--dump-dom", fmt.Sprintf("http://localhost:%d%s", w.port, path)).Output()
		if err != nil {
			t.Fatalf("chromium: %v", err)
		}
		return string(out)
	}
	if dom := open("/orders?a=1"); !strings.Contains(dom, "x-pomerium-jwt-assertion") || !strings.Contains(dom, "/orders?a=1") || strings.Contains(dom, "__Host-privyseal") {
		t.Errorf("the application shows:\n%s", dom)
	}
	if dom := open("/admin/"); !strings.Contains(dom, "Ask the admins &amp; wait.") {
		t.Errorf("the denial shows:\n%s", dom)
	}
	if dom := open("/.privyseal/me"); !strings.Contains(dom, `"sub":"alice"`) {
		t.Errorf("the session is not kept: %s", dom)
	}
	if dom := open("/.privyseal/logout"); !strings.Contains(dom, "Log out?") {
		t.Errorf("logout asks:\n%s", dom)
	}
}
