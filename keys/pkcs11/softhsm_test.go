//go:build pkcs11

package pkcs11

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// These tests run on SoftHSM, and fail without it: it is in the Debian packages
// softhsm2, opensc and opensc-pkcs11.
const (
	softHSM = "/usr/lib/softhsm/libsofthsm2.so"
	spy     = "/usr/lib/x86_64-linux-gnu/pkcs11-spy.so" // writes down calls of another library

	pin = "73519264"
)

// newToken makes an empty token of its own for a test.
func newToken(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	run(t, "softhsm2-util", "--module", softHSM, "--init-token", "--free", "--label", "keys", "--pin", pin, "--so-pin", "12345678")
	return Options{Module: softHSM, Token: "keys", PIN: pin}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func openModule(t *testing.T, o Options) *Module {
	t.Helper()
	m, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}
