package e2e

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"privyseal/examples/child"
)

const keycloakPeople = `
identity:
  - login:
      name: people
      issuer: "%s"
      client_id: privyseal
      client_secret: secret-of-the-tests
      cookie_secrets: [0123456789abcdef0123456789abcdef]
      claim_paths: {groups: realm_access.roles}
      post_logout: /bye
rules:
  - {name: bye, match: {hosts: [localhost], paths: [/bye]}, public: true}
  - {name: app, match: {hosts: [localhost]}, audience: app, allow: {groups: [staff]}}
`

// keycloak starts a Keycloak with the realm of keycloak-realm.json, whose data
// it keeps in its own folder, and returns the issuer.
func keycloak(t *testing.T, home string, edge int, backChannel string) (issuer string) {
	t.Helper()
	realm, err := os.ReadFile("keycloak-realm.json")
	must(t, err)
	text := strings.NewReplacer("EDGE", fmt.Sprint(edge), "http://127.0.0.1:HTTP", backChannel).Replace(string(realm))
	must(t, os.RemoveAll(filepath.Join(home, "data", "h2")))
	must(t, os.MkdirAll(filepath.Join(home, "data", "import"), 0o755))
	must(t, os.WriteFile(filepath.Join(home, "data", "import", "corp-realm.json"), []byte(text), 0o600))
	port := freePort(t)
	log, err := os.Create(filepath.Join(t.TempDir(), "keycloak.log"))
	must(t, err)
	cmd := exec.Command(filepath.Join(home, "bin", "kc.sh"), "start-dev", "--import-realm", "--http-host=127.0.0.1", fmt.Sprintf("--http-port=%d", port))
	cmd.Stdout, cmd.Stderr = log, log
	process, err := child.Start(cmd)
	must(t, err)
	t.Cleanup(func() {
		process.Stop(10 * time.Second)
		log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("keycloak:\n%s", text[max(0, len(text)-4000):])
		}
	})
	issuer = fmt.Sprintf("http://127.0.0.1:%d/realms/corp", port)
	for range waits(3 * time.Minute) {
		if resp, err := http.Get(issuer + "/.well-known/openid-configuration"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return issuer
			}
		}
	}
	t.Fatal("keycloak does not answer")
	return ""
}

var (
	formAction = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)
	hidden     = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
)

// atKeycloak answers the pages of Keycloak and returns where it sends the
// browser, away from itself; nil if it does not.
func (p *person) atKeycloak(issuer, location string) *url.URL {
	p.t.Helper()
	method, form := "GET", url.Values{}
	for range 10 {
		r, err := http.NewRequestWithContext(p.t.Context(), method, location, strings.NewReader(form.Encode()))
		must(p.t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := p.client.Do(r)
		must(p.t, err)
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if next, err := resp.Location(); err == nil {
			if !strings.HasPrefix(next.String(), strings.TrimSuffix(issuer, "/realms/corp")) {
				return next
			}
			location, method, form = next.String(), "GET", url.Values{}
			continue
		}
		action := formAction.FindStringSubmatch(string(body))
		if resp.StatusCode != http.StatusOK || action == nil {
			return nil // a page to read
		}
		to, err := resp.Request.URL.Parse(html.UnescapeString(action[1]))
		must(p.t, err)
		location, method, form = to.String(), "POST", url.Values{"username": {"bob"}, "password": {"bob"}}
		for _, field := range hidden.FindAllStringSubmatch(string(body), -1) {
			form.Set(field[1], html.UnescapeString(field[2]))
		}
	}
	p.t.Fatal("keycloak goes round in circles")
	return nil
}

// TestKeycloak needs a Keycloak 26, unpacked, in the folder that KEYCLOAK_HOME
// names, a JDK, and two minutes.
func TestKeycloak(t *testing.T) {
	home := os.Getenv("KEYCLOAK_HOME")
	if home == "" {
		t.Skip("KEYCLOAK_HOME names no Keycloak")
	}
	var service http.Handler
	backChannel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { service.ServeHTTP(w, r) }))
	t.Cleanup(backChannel.Close)
	port := freePort(t)
	issuer := keycloak(t, home, port, backChannel.URL)
	s := startService(t, fmt.Sprintf(keycloakPeople, issuer))
	to, _ := url.Parse(fmt.Sprintf("http://127.0.0.1:%d", s.http))
	service = httputil.NewSingleHostReverseProxy(to)
	w := bare(t, knobs{Authz: s.grpc, KeySet: s.http, RawHeaders: true, Port: port})
	w.service = s

	logIn := func(p *person) (session string) {
		t.Helper()
		w.host = fmt.Sprintf("localhost:%d", port)
		begun := w.get(t, "/orders", opens...).want(t, 303)
		callback := p.atKeycloak(issuer, begun.header.Get("location"))
		if callback == nil {
			t.Fatal("keycloak does not send the browser back")
		}
		return w.get(t, callback.RequestURI(), append(opens, begun.cookies())...).want(t, 303).cookies()
	}
	check := func(session string, status int) response {
		t.Helper()
		w.host = fmt.Sprintf("localhost:%d", port)
		r := w.get(t, "/orders", "accept: */*", session).want(t, status)
		w.host = "localhost"
		return r
	}
	bob := newPerson(t)
	session := logIn(bob)
	a := w.assertion(t, check(session, 200), "app")
	if a.Subject == "" || a.Email != "bob@corp.example" || a.Name != "Bob Baker" || !slices.Contains(a.Groups, "staff") || a.Session == "" {
		t.Errorf("assertion %+v", a)
	}

	t.Log("waiting until the session is renewed")
	<-time.After(50 * time.Second)
	renewed := check(session, 200)
	if !strings.Contains(renewed.cookies(), "__Host-privyseal-session-people=") {
		t.Errorf("the session was not renewed: %v", renewed.header)
	}
	session = renewed.cookies()
	check(session, 200)

	// Bob logs out at Keycloak itself, which tells us.
	if next := bob.atKeycloak(issuer, issuer+"/protocol/openid-connect/logout"); next != nil {
		t.Errorf("keycloak's logout leads to %s", next)
	}
	for range waits(20 * time.Second) {
		w.host = fmt.Sprintf("localhost:%d", port)
		if w.get(t, "/orders", "accept: */*", session).status == 401 {
			break
		}
	}
	check(session, 401)

	// He logs in again, and out from here.
	session = logIn(bob)
	check(session, 200)
	w.host = fmt.Sprintf("localhost:%d", port)
	out := w.get(t, "/.privyseal/logout", "accept: text/html", "sec-fetch-site: same-origin", session).want(t, 303)
	if bye := bob.atKeycloak(issuer, out.header.Get("location")); bye == nil || bye.Path != "/bye" {
		t.Errorf("logout leads to %v", bye)
	}
	check(session, 401)
}
