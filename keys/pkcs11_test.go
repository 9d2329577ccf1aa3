//go:build pkcs11

package keys

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"privyseal/keys/pkcs11"
)

const softHSM = "/usr/lib/softhsm/libsofthsm2.so"

func newSoftHSM(t *testing.T) *pkcs11.Module {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "directories.tokendir = %s\nlog.level = ERROR\n", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	if out, err := exec.Command("softhsm2-util", "--module", softHSM, "--init-token", "--free", "--label", "keys", "--pin", "73519264", "--so-pin", "12345678").CombinedOutput(); err != nil {
		t.Fatalf("softhsm2-util: %v\n%s", err, out)
	}
	m, err := pkcs11.Open(pkcs11.Options{Module: softHSM, Token: "keys", PIN: "73519264"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// Keys of a real module sign tokens that verify, from their making to their
// deletion.
func TestSoftHSM(t *testing.T) {
	m := newSoftHSM(t)
	for _, alg := range []string{"ES256", "ES384", "ES512", "RS256", "PS256"} {
		t.Run(alg, func(t *testing.T) {
			private, reference, err := m.Generate(t.Context(), alg)
			if err != nil {
				t.Fatal(err)
			}
			wantToken(t, externalRing(t, alg, private), alg, private.Public())
			found, err := m.Find(t.Context(), reference)
			if err != nil {
				t.Fatal(err)
			}
			wantToken(t, externalRing(t, alg, found), alg, private.Public())
		})
	}
}

// The error of a key that somebody deletes has the number that PKCS#11 gives it.
func TestSoftHSMKeyIsDeleted(t *testing.T) {
	m := newSoftHSM(t)
	private, reference, err := m.Generate(t.Context(), "ES256")
	if err != nil {
		t.Fatal(err)
	}
	ring := externalRing(t, "ES256", private)
	for _, half := range []string{"privkey", "pubkey"} {
		if out, err := exec.Command("pkcs11-tool", "--module", softHSM, "--token-label", "keys", "--login", "--pin", "73519264",
			"--delete-object", "--type", half, "--id", fmt.Sprintf("%x", reference)).CombinedOutput(); err != nil {
			t.Fatalf("pkcs11-tool: %v\n%s", err, out)
		}
	}
	if token, _, err := ring.Sign(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "refused to sign: error 0x") {
		t.Errorf("%q, %v", token, err)
	}
	if _, err := m.Find(t.Context(), reference); err == nil {
		t.Error("found")
	}
}
