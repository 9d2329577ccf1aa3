package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"privyseal/keys"
	"privyseal/keys/vault"
)

var _ keys.Wrapper = (*vault.Transit)(nil)

const token = "s.hunter2hunter2hunter2"

func noFile(string) ([]byte, error) { return nil, fs.ErrNotExist }

func tokenFile(string) ([]byte, error) { return []byte(token + "\n"), nil }

// transit returns a wrapper that asks a server that answers like this. What Vault
// itself does is tested with Vault.
func transit(t *testing.T, answer http.HandlerFunc) *vault.Transit {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	w, err := vault.NewTransit(vault.TransitOptions{Address: server.URL, Key: "privyseal", Namespace: "team", TokenFile: "token"}, tokenFile)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestOptions(t *testing.T) {
	good := vault.TransitOptions{Address: "https://vault.example:8200", Key: "privyseal", TokenFile: "token"}
	if _, err := vault.NewTransit(good, noFile); err != nil {
		t.Fatal(err)
	}
	for path, spoil := range map[string]func(*vault.TransitOptions){
		"address":    func(o *vault.TransitOptions) { o.Address = "http://vault.example" },
		"address ":   func(o *vault.TransitOptions) { o.Address = "https://u:p@vault.example" },
		"address  ":  func(o *vault.TransitOptions) { o.Address = "https://vault.example/v1/transit" },
		"address   ": func(o *vault.TransitOptions) { o.Address = "" },
		"key":        func(o *vault.TransitOptions) { o.Key = "" },
		"key ":       func(o *vault.TransitOptions) { o.Key = "../../sys/seal" },
		"mount":      func(o *vault.TransitOptions) { o.Mount = "a?b" },
		"token_file": func(o *vault.TransitOptions) { o.TokenFile = "" },
		"ca_file":    func(o *vault.TransitOptions) { o.CAFile = "absent.pem" },
	} {
		o := good
		spoil(&o)
		_, err := vault.NewTransit(o, noFile)
		var option interface{ OptionPath() string }
		if !errors.As(err, &option) || option.OptionPath() != strings.TrimSpace(path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestRequest(t *testing.T) {
	var seen []string
	w := transit(t, func(w http.ResponseWriter, r *http.Request) {
		var body map[string]string
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		seen = append(seen, r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Vault-Namespace")+" "+body["plaintext"]+body["ciphertext"]+" "+body["associated_data"])
		if r.Header.Get("X-Vault-Token") != token {
			t.Errorf("token %q", r.Header.Get("X-Vault-Token"))
		}
		w.Write([]byte(`{"data":{"ciphertext":"vault:v1:xyz","plaintext":"a2V5"}}`))
	})
	wrapped, err := w.Wrap(t.Context(), []byte("key"), []byte("about"))
	if err != nil || string(wrapped) != "vault:v1:xyz" {
		t.Fatalf("%q, %v", wrapped, err)
	}
	if key, err := w.Unwrap(t.Context(), wrapped, []byte("about")); err != nil || string(key) != "key" {
		t.Fatalf("%q, %v", key, err)
	}
	want := []string{"POST /v1/transit/encrypt/privyseal team a2V5 YWJvdXQ=", "POST /v1/transit/decrypt/privyseal team vault:v1:xyz YWJvdXQ="}
	if strings.Join(seen, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked\n%s", strings.Join(seen, "\n"))
	}
}

// Errors say what to do, and repeat neither the token nor what the server says.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
		asked  int
	}{
		"denied":        {403, `{"errors":["permission denied"]}`, `transit/decrypt/privyseal`, 1},
		"sealed":        {503, `{"errors":["Vault is sealed"]}`, "unseal", 2},
		"broken":        {500, "oops " + token, "status 500", 2},
		"no engine":     {404, `{"errors":["no handler for route"]}`, "no such transit engine", 1},
		"no key":        {400, `{"errors":["encryption key not found"]}`, "vault write -f transit/keys/privyseal", 1},
		"old version":   {400, `{"errors":["ciphertext or signature version is disallowed by policy (too old)"]}`, "min_decryption_version", 1},
		"another key":   {400, `{"errors":["cipher: message authentication failed"]}`, "another key", 1},
		"anything else": {418, token, "status 418", 1},
		"a redirect":    {307, "", "status 307", 1},
		"no JSON":       {200, "<html>", "not Vault's", 1},
		"no plaintext":  {200, `{"data":{}}`, "no plaintext", 1},
		"no base64":     {200, `{"data":{"plaintext":"!"}}`, "not Vault's", 1},
		"huge":          {200, strings.Repeat(" ", 1<<20), "more than", 1},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			w := transit(t, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				if c.status == 307 {
					w.Header().Set("Location", "/elsewhere")
				}
				w.WriteHeader(c.status)
				w.Write([]byte(c.body))
			})
			_, err := w.Unwrap(t.Context(), []byte("vault:v1:x"), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), token) || asked != c.asked {
				t.Errorf("asked %d times: %v", asked, err)
			}
		})
	}
}

// A server that does not answer keeps nobody longer than the caller says.
func TestNoAnswer(t *testing.T) {
	release := make(chan struct{})
	w := transit(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.Wrap(ctx, []byte("key"), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
