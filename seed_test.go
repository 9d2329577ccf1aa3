package privyseal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"privyseal/authz"
)

// The first thing anybody did with this idea: a key in SIGNING_KEY, a key set at
// /.well-known/pomerium/jwks.json.

const seedRules = "version: 1\nlisten: {grpc: \"127.0.0.1:0\", http: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}\n" +
	"rules: [{name: open, match: {hosts: [app.example]}, public: true}]\n"

func seeded(t *testing.T, environ ...string) (*Service, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := New(ServiceOptions{
		Load: LoadOptions{Source: []byte(seedRules), Environ: append([]string{}, environ...)},
		Log:  slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, &log
}

func keySet(s *Service) string {
	answer := httptest.NewRecorder()
	s.public().ServeHTTP(answer, httptest.NewRequest("GET", "/.well-known/pomerium/jwks.json", nil))
	return strings.TrimSpace(answer.Body.String())
}

func TestSeedOneKey(t *testing.T) {
	s, _ := seeded(t, "SIGNING_KEY="+base64.StdEncoding.EncodeToString([]byte(newKeys(t, 1))))
	set := keySet(s)
	shape := regexp.MustCompile(`^\{"keys":\[\{"use":"sig","kty":"EC","kid":"([0-9a-f]{64})","crv":"P-256","alg":"ES256","x":"[\w-]{43}","y":"[\w-]{43}"\}\]\}$`)
	match := shape.FindStringSubmatch(set)
	if match == nil || match[1] != s.ring.KeyID() {
		t.Errorf("key set: %s, signing %s", set, s.ring.KeyID())
	}
}

func TestSeedTwoKeys(t *testing.T) {
	text := newKeys(t, 2)
	s, _ := seeded(t, "SIGNING_KEY="+text)
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal([]byte(keySet(s)), &set); err != nil || len(set.Keys) != 2 {
		t.Fatalf("%v: %s", err, keySet(s))
	}
	if set.Keys[0].Kid != s.ring.KeyID() {
		t.Error("the first key does not sign")
	}
}

func TestSeedNoKey(t *testing.T) {
	s, log := seeded(t)
	if set := keySet(s); set != `{"keys":[]}` {
		t.Errorf("key set: %s", set)
	}
	if !strings.Contains(log.String(), "level=WARN") || !regexp.MustCompile(`[A-Za-z0-9+/]{100,}={0,2}`).MatchString(log.String()) {
		t.Errorf("the public key is not logged with a warning: %s", log)
	}
	r, _ := authz.NewRequest("GET", "https", "app.example", "/")
	if d := s.Authorize(t.Context(), r); d.Grant() == nil {
		t.Errorf("the service does not work: %+v", d.Record)
	}
	if jws, kid, err := s.ring.Sign(t.Context(), []byte("{}")); err != nil || jws == "" || kid != s.ring.KeyID() {
		t.Errorf("the ephemeral key does not sign: %v", err)
	}
}

func TestSeedEnvironmentReplacesTheFile(t *testing.T) {
	file, environment := newKeys(t, 1), newKeys(t, 1)
	source := seedRules + "signing_key: " + base64.StdEncoding.EncodeToString([]byte(file)) + "\n"
	s, err := New(ServiceOptions{Load: LoadOptions{Source: []byte(source), Environ: []string{"SIGNING_KEY=" + environment, "SIGNING_KEY_FILE="}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	only, _ := seeded(t, "SIGNING_KEY="+environment)
	if keySet(s) != keySet(only) {
		t.Errorf("key set: %s", keySet(s))
	}
	for name, environ := range map[string][]string{
		"both":         {"SIGNING_KEY=" + environment, "SIGNING_KEY_FILE=/x"},
		"URL-safe":     {"SIGNING_KEY=" + base64.RawURLEncoding.EncodeToString([]byte(environment))},
		"not a key":    {"SIGNING_KEY=hello"},
		"file missing": {"SIGNING_KEY_FILE=/nowhere"},
	} {
		err := Validate(LoadOptions{Source: []byte(seedRules), Environ: environ})
		if err == nil || strings.Contains(err.Error(), "MIG") || strings.Contains(err.Error(), "hello") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
