package privyseal

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"privyseal/authz"
)

const loginConfig = `version: 1
identity:
  - login: {name: people, issuer: "%[1]s", client_id: privyseal, cookie_secrets: [0123456789abcdef0123456789abcdef]}
  - jwt: {name: corp, issuer: https://corp.example, audiences: [api], jwks_file: jwks.json}
rules:
  - name: app
    match: {hosts: [app.example]}
    audience: app
    authenticate: [%[2]s]
    allow: {from: [corp, people], authenticated: true}
`

// loginService is a service where people log in at a provider that knows
// nobody.
func loginService(t *testing.T, order string) *Service {
	t.Helper()
	var op *httptest.Server
	op = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			json.NewEncoder(w).Encode(map[string]string{"issuer": op.URL, "authorization_endpoint": op.URL + "/authorize", "token_endpoint": op.URL + "/token", "jwks_uri": op.URL + "/jwks"})
		default:
			fmt.Fprint(w, `{"keys":[]}`)
		}
	}))
	t.Cleanup(op.Close)
	dir := t.TempDir()
	for name, content := range map[string]string{"privyseal.yaml": fmt.Sprintf(loginConfig, op.URL, order), "jwks.json": `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := New(ServiceOptions{Load: LoadOptions{Path: filepath.Join(dir, "privyseal.yaml"), Environ: []string{}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func asked(t *testing.T, s *Service, target string, headers authz.HeaderMap) authz.Decision {
	t.Helper()
	r, denial := authz.NewRequest("GET", "https", "app.example", target)
	if denial != nil {
		t.Fatal(denial)
	}
	r.Headers = headers
	return s.Authorize(t.Context(), r)
}

var person = authz.HeaderMap{"accept": {"text/html"}, "sec-fetch-mode": {"navigate"}, "sec-fetch-dest": {"document"}}

func TestLoginIsASourceOfIdentity(t *testing.T) {
	for _, order := range []string{"corp, people", "people, corp"} {
		s := loginService(t, order)
		d := asked(t, s, "/orders", person)
		to, err := url.Parse(d.Reply().Location)
		if err != nil || d.Reply().Status != 303 || to.Path != "/authorize" || to.Query().Get("redirect_uri") != "https://app.example/.privyseal/callback" {
			t.Errorf("%s: a person is sent %d %s (%s)", order, d.Reply().Status, d.Reply().Location, d.Record.Cause)
		}
		d = asked(t, s, "/orders", nil)
		if challenges := strings.Join(d.Reply().Challenges, ", "); d.Reply().Status != 401 || !strings.Contains(challenges, "Bearer ") || !strings.Contains(challenges, "Login ") {
			t.Errorf("%s: a program is told %d %s", order, d.Reply().Status, challenges)
		}
		d = asked(t, s, "/orders", authz.HeaderMap{"authorization": {"Bearer x.y.z"}})
		if d.Record.Reason != authz.InvalidCredential {
			t.Errorf("%s: a bad token: %s", order, d.Record.Reason)
		}
		for path, status := range map[string]int{"/.privyseal/me": 401, "/.privyseal/logout": 200, "/.privyseal/callback": 400, "/.privyseal/other": 401} {
			if d := asked(t, s, path, nil); d.Reply().Status != status {
				t.Errorf("%s: %d, want %d", path, d.Reply().Status, status)
			}
		}
	}
}

func TestBackChannelIsServedOverHTTP(t *testing.T) {
	s := loginService(t, "people, corp")
	for path, status := range map[string]int{"/.privyseal/backchannel-logout/people": 400, "/.privyseal/backchannel-logout/corp": 404, "/.privyseal/backchannel-logout/": 404} {
		rec := httptest.NewRecorder()
		s.public().ServeHTTP(rec, httptest.NewRequest("POST", path, strings.NewReader("logout_token=x")))
		if rec.Code != status {
			t.Errorf("%s: %d, want %d", path, rec.Code, status)
		}
	}
}

func TestReloadKeepsWhatIsKnownOfProviders(t *testing.T) {
	s := loginService(t, "people, corp")
	first := s.current.Load()
	asked(t, s, "/", person) // discovered
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if s.current.Load() == first || s.current.Load().logins.KeySet("people") != first.logins.KeySet("people") {
		t.Error("the provider was forgotten")
	}
}

// Mistakes of sources of both kinds are told at their places in the whole list,
// and none with a secret.
func TestMistakesInMixedSources(t *testing.T) {
	const source = `version: 1
identity:
  - jwt: {name: corp, issuer: https://idp.example, audiences: [a]}
  - login: {name: corp, issuer: https://idp.example, client_id: c, cookie_secrets: [hunter2]}
  - jwt: {name: Two, issuer: https://two.example, audiences: [a], header: x-two}
  - login: {name: people, issuer: https://idp.example, client_secret: hunter2, cookie_secrets: [0123456789abcdef0123456789abcdef]}
`
	err := Validate(LoadOptions{Source: []byte(source), Environ: []string{}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"identity[1]:", "identity[1].login.cookie_secrets[0]", "identity[2].jwt.name", "identity[3].login.client_id"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not told of:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret is told:\n%v", err)
	}
}
