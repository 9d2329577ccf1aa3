//go:build vault

// These tests run against HashiCorp Vault. It is built from testdata/vault on the
// first run, which takes minutes.

package vault_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"privyseal/keys"
	"privyseal/keys/store"
	"privyseal/keys/vault"
)

func TestVault(t *testing.T) {
	server := startVault(t)
	server.do(t, "POST", "sys/mounts/transit", `{"type":"transit"}`)
	server.do(t, "POST", "transit/keys/privyseal", `{}`)
	// The policy of the package's manual, and nothing else.
	server.do(t, "PUT", "sys/policies/acl/privyseal", `{"policy":"path \"transit/encrypt/privyseal\" { capabilities = [\"update\"] } path \"transit/decrypt/privyseal\" { capabilities = [\"update\"] }"}`)
	tokens := filepath.Join(t.TempDir(), "token")
	server.issue(t, tokens)
	open := func(o vault.TransitOptions) *vault.Transit {
		o.Address, o.TokenFile = server.address, tokens
		w, err := vault.NewTransit(o, os.ReadFile)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	w := open(vault.TransitOptions{Key: "privyseal"})
	key := bytes.Repeat([]byte{7}, 32)
	wrapped, err := w.Wrap(t.Context(), key, []byte("ring"))
	if err != nil {
		t.Fatal(err)
	}
	opens := func(wrapped []byte) {
		t.Helper()
		if got, err := w.Unwrap(t.Context(), wrapped, []byte("ring")); err != nil || !bytes.Equal(got, key) {
			t.Fatalf("%x, %v", got, err)
		}
	}
	refuses := func(w *vault.Transit, wrapped []byte, additional, want string) {
		t.Helper()
		if _, err := w.Unwrap(t.Context(), wrapped, []byte(additional)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	opens(wrapped)
	refuses(w, wrapped, "another ring", "encrypted with another key, for another keyring, or damaged")
	refuses(w, append(wrapped[:len(wrapped)-4:len(wrapped)-4], "AAA="...), "ring", "damaged")
	refuses(open(vault.TransitOptions{Key: "other"}), wrapped, "ring", `path "transit/decrypt/other"`)
	refuses(open(vault.TransitOptions{Key: "privyseal", Mount: "elsewhere"}), wrapped, "ring", "permission denied")

	server.do(t, "POST", "transit/keys/privyseal/rotate", `{}`)
	opens(wrapped)
	newer, err := w.Wrap(t.Context(), key, []byte("ring"))
	if err != nil || !bytes.HasPrefix(newer, []byte("vault:v2:")) {
		t.Fatalf("%.9q, %v", newer, err)
	}
	server.do(t, "POST", "transit/keys/privyseal/config", `{"min_decryption_version":2}`)
	refuses(w, wrapped, "ring", "below min_decryption_version")
	opens(newer)

	server.do(t, "POST", "auth/token/revoke", `{"token":"`+strings.TrimSpace(read(t, tokens))+`"}`)
	refuses(w, newer, "ring", "permission denied: the token has expired")
	server.issue(t, tokens) // an agent does
	opens(newer)

	t.Run("a keyring", func(t *testing.T) { testKeyring(t, w) })

	server.do(t, "PUT", "sys/seal", "")
	refuses(w, newer, "ring", "sealed")
}

// testKeyring has two replicas share a ring, and none of its keys in the clear.
func testKeyring(t *testing.T, w *vault.Transit) {
	dir := filepath.Join(t.TempDir(), "ring")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	replica := func() (*keys.Ring, *keys.Keeper) {
		place, err := store.Open("dir:"+dir, store.Options{Now: time.Now, Getenv: os.Getenv})
		if err != nil {
			t.Fatal(err)
		}
		ring := keys.NewRing(keys.RingOptions{})
		keeper, err := keys.NewKeeper(keys.KeeperOptions{Ring: ring, Store: place, Wrapper: w})
		if err != nil {
			t.Fatal(err)
		}
		if err := keeper.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		return ring, keeper
	}
	first, keeper := replica()
	second, _ := replica()
	if first.KeyID() == "" || first.KeyID() != second.KeyID() {
		t.Errorf("%q signs in one replica, %q in another", first.KeyID(), second.KeyID())
	}
	if _, err := keeper.Rotate(t.Context(), keys.ModePurge); err != nil {
		t.Error(err)
	}
}

// server is a Vault that is initialized and unsealed.
type server struct{ address, root string }

func startVault(t *testing.T) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	var log bytes.Buffer
	command := exec.Command(vaultBinary(t), address)
	command.Stderr = &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	s := &server{address: "http://" + address}
	for attempt := 0; ; attempt++ {
		response, err := http.Get(s.address + "/v1/sys/health")
		if err == nil {
			response.Body.Close()
			break
		}
		if attempt == 300 {
			t.Fatalf("Vault does not answer: %v", err)
		}
		<-time.After(100 * time.Millisecond)
	}
	var made struct {
		Keys      []string `json:"keys"`
		RootToken string   `json:"root_token"`
	}
	if err := json.Unmarshal(s.do(t, "PUT", "sys/init", `{"secret_shares":1,"secret_threshold":1}`), &made); err != nil {
		t.Fatal(err)
	}
	s.root = made.RootToken
	s.do(t, "PUT", "sys/unseal", fmt.Sprintf(`{"key":%q}`, made.Keys[0]))
	return s
}

// do is a call that succeeds, by root.
func (s *server) do(t *testing.T, method, path, body string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.address+"/v1/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Vault-Token", s.root)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s %v", method, path, response.StatusCode, text, err)
	}
	return text
}

// issue writes a token with the policy of privyseal alone to a file.
func (s *server) issue(t *testing.T, file string) {
	t.Helper()
	var answer struct {
		Auth struct {
			ClientToken string `json:"client_token"`
		} `json:"auth"`
	}
	if err := json.Unmarshal(s.do(t, "POST", "auth/token/create", `{"policies":["privyseal"]}`), &answer); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(answer.Auth.ClientToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// vaultBinary builds Vault if this was not done yet.
func vaultBinary(t *testing.T) string {
	t.Helper()
	cache, err := filepath.Abs("../../.cache/vault-1.21.4")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(cache, "vault")
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	t.Log("building Vault, which takes minutes")
	if output, err := exec.Command("testdata/vault/build.sh", cache).CombinedOutput(); err != nil {
		t.Fatalf("building Vault: %v\n%s", err, output)
	}
	return binary
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
