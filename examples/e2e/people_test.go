package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/examples/idp"
)

// people is the configuration of a service where people log in.
const people = `
identity:
  - login: {name: people, issuer: "%s", client_id: privyseal, client_secret: secret-of-the-tests, scopes: [openid, email, profile, offline_access], cookie_secrets: [0123456789abcdef0123456789abcdef], post_logout: /bye}
rules:
  - {name: bye, match: {hosts: [localhost], paths: [/bye]}, public: true}
  - {name: admin, match: {hosts: [localhost], paths: ["/admin/**"]}, audience: app, allow: {groups: [admins]}, explain: Ask the admins & wait.}
  - {name: app, match: {hosts: [localhost]}, audience: app, allow: {groups: [staff]}}
`

// peopleWorld is a world whose people log in at the demo's provider.
func peopleWorld(t *testing.T, always string) (w *world, issuer string) {
	t.Helper()
	port := freePort(t)
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	host := fmt.Sprintf("http://localhost:%d", port)
	var err error
	handler, err = idp.New(idp.Options{Issuer: server.URL, Always: always, Clients: []idp.Client{{
		ID: "privyseal", Secret: "secret-of-the-tests", RedirectURIs: []string{host + "/.privyseal/callback"}, PostLogoutURIs: []string{host + "/bye"},
	}}})
	must(t, err)
	s := startService(t, fmt.Sprintf(people, server.URL))
	w = bare(t, knobs{Authz: s.grpc, KeySet: s.http, RawHeaders: true, Port: port})
	w.service, w.host = s, "localhost"
	return w, server.URL
}

// person is somebody at a browser, as far as the provider sees it.
type person struct {
	t      *testing.T
	client http.Client
}

func newPerson(t *testing.T) *person {
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &person{t, http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// logIn answers the provider's question and returns where it sends the browser,
// away from itself.
func (p *person) logIn(issuer, location, user string) *url.URL {
	p.t.Helper()
	method, form := "GET", ""
	for range 8 {
		r, err := http.NewRequestWithContext(p.t.Context(), method, location, strings.NewReader(form))
		must(p.t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := p.client.Do(r)
		must(p.t, err)
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if strings.Contains(string(body), "Who are you?") {
			method, form = "POST", "user="+user
			continue
		}
		next, err := resp.Location()
		if err != nil {
			p.t.Fatalf("%s: %d %s", location, resp.StatusCode, body)
		}
		if !strings.HasPrefix(next.String(), issuer) {
			return next
		}
		location, method, form = next.String(), "GET", ""
	}
	p.t.Fatal("the provider goes round in circles")
	return nil
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
	w, issuer := peopleWorld(t, "")
	w.host = fmt.Sprintf("localhost:%d", w.port)
	w.get(t, "/orders?a=1", "accept: */*").want(t, 401)
	begun := w.get(t, "/orders?a=1", opens...).want(t, 303)
	callback := newPerson(t).logIn(issuer, begun.header.Get("location"), "bob")

	back := w.get(t, callback.RequestURI(), append(opens, begun.cookies())...).want(t, 303)
	if back.header.Get("location") != "/orders?a=1" {
		t.Errorf("the browser is sent to %s", back.header.Get("location"))
	}
	session := back.cookies()
	r := w.get(t, "/orders?a=1", append(opens, session+"; theirs=1")...).want(t, 200)
	w.host = "localhost"
	if a := w.assertion(t, r, "app"); a.Subject != "bob" || a.IdentityProvider != "people" {
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
	w.host = fmt.Sprintf("localhost:%d", w.port)
	out := w.get(t, "/.privyseal/logout", "accept: text/html", "sec-fetch-site: same-origin", session).want(t, 303)
	if bye := newPerson(t).logIn(issuer, out.header.Get("location"), ""); bye.Path != "/bye" || bye.Host != w.host {
		t.Errorf("logout leads to %s", bye)
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
	w, _ := peopleWorld(t, "bob")
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
	if dom := open("/.privyseal/me"); !strings.Contains(dom, `"sub":"bob"`) {
		t.Errorf("the session is not kept: %s", dom)
	}
	if dom := open("/.privyseal/logout"); !strings.Contains(dom, "Log out?") {
		t.Errorf("logout asks:\n%s", dom)
	}
}
