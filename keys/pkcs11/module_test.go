//go:build pkcs11

package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ThalesGroup/crypto11"
	p11 "github.com/miekg/pkcs11"

	"privyseal/keys"
)

var _ keys.Module = (*Module)(nil)

var pss = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}

// signs has a key sign for an algorithm, and verifies it with the standard
// library.
func signs(t testing.TB, alg string, private crypto.Signer) {
	t.Helper()
	var opts crypto.SignerOpts = crypto.SHA256
	if alg == "PS256" {
		opts = pss
	}
	digest := sha256.Sum256([]byte(alg))
	signature, err := private.Sign(rand.Reader, digest[:], opts)
	if err != nil {
		t.Error(err)
		return
	}
	var valid bool
	switch public := private.Public().(type) {
	case *ecdsa.PublicKey:
		valid = ecdsa.VerifyASN1(public, digest[:], signature)
	case *rsa.PublicKey:
		if alg == "PS256" {
			valid = rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, pss) == nil
		} else {
			valid = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
		}
	}
	if !valid {
		t.Errorf("%s: %x does not verify with %T", alg, signature, private.Public())
	}
}

// What one replica generates another finds, and both sign with it.
func TestGenerateAndFind(t *testing.T) {
	o := newToken(t)
	a, b := openModule(t, o), openModule(t, o)
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521(), "RS256": nil, "PS256": nil} {
		t.Run(alg, func(t *testing.T) {
			made, reference, err := a.Generate(t.Context(), alg)
			if err != nil {
				t.Fatal(err)
			}
			found, err := b.Find(t.Context(), reference)
			if err != nil {
				t.Fatal(err)
			}
			switch public := found.Public().(type) {
			case *ecdsa.PublicKey:
				if public.Curve != curve || !public.Equal(made.Public()) {
					t.Errorf("found %v, made %v", public, made.Public())
				}
			case *rsa.PublicKey:
				if curve != nil || public.N.BitLen() != 2048 || public.E != 65537 || !public.Equal(made.Public()) {
					t.Errorf("found %v, made %v", public, made.Public())
				}
			}
			signs(t, alg, made)
			signs(t, alg, found)
		})
	}
}

// A key is found by another process too: the token keeps it, and its label tells
// the operator whose it is.
func TestKeysStay(t *testing.T) {
	o := newToken(t)
	m, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	_, reference, err := m.Generate(t.Context(), "ES256")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Fatal(err)
	}
	objects := run(t, "pkcs11-tool", "--module", softHSM, "--token-label", "keys", "--login", "--pin", pin, "--list-objects")
	if !strings.Contains(objects, fmt.Sprintf("privyseal %x", reference)) {
		t.Errorf("pkcs11-tool shows %s", objects)
	}
	found, err := openModule(t, o).Find(t.Context(), reference)
	if err != nil {
		t.Fatal(err)
	}
	signs(t, "ES256", found)
}

// The private half cannot be read, decrypts nothing and unwraps nothing.
func TestKeysCannotLeave(t *testing.T) {
	m := openModule(t, newToken(t))
	for alg, value := range map[string]crypto11.AttributeType{"ES256": crypto11.CkaValue, "RS256": crypto11.CkaPrivateExponent} {
		private, _, err := m.Generate(t.Context(), alg)
		if err != nil {
			t.Fatal(err)
		}
		key := private.(signer).key
		var code p11.Error
		if a, err := m.token.GetAttribute(key, value); !errors.As(err, &code) || code != p11.CKR_ATTRIBUTE_SENSITIVE {
			t.Errorf("%s: the private key: %v, %v", alg, a, err)
		}
		for attribute, want := range map[crypto11.AttributeType]bool{
			crypto11.CkaNeverExtractable: true, crypto11.CkaAlwaysSensitive: true, crypto11.CkaPrivate: true, crypto11.CkaSign: true, crypto11.CkaToken: true,
			crypto11.CkaDecrypt: false, crypto11.CkaUnwrap: false, crypto11.CkaDerive: false,
		} {
			if a, err := m.token.GetAttribute(key, attribute); err != nil || isTrue(a) != want {
				t.Errorf("%s: attribute %#x: %v, %v, want %v", alg, attribute, a, err, want)
			}
		}
	}
}

// A key that somebody made extractable is not used, be its label and ID right.
func TestExtractableKeyIsRefused(t *testing.T) {
	m := openModule(t, newToken(t))
	id := bytes.Repeat([]byte{7}, referenceSize)
	public, private, err := templates(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := private.Set(crypto11.CkaExtractable, true); err != nil {
		t.Fatal(err)
	}
	if _, err := m.token.GenerateECDSAKeyPairWithAttributes(public, private, elliptic.P256()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Find(t.Context(), id); err == nil || !strings.Contains(err.Error(), "can leave the token") {
		t.Error(err)
	}
}

func TestFindFails(t *testing.T) {
	m := openModule(t, newToken(t))
	private, reference, err := m.Generate(t.Context(), "ES256")
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Find(ended, reference); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, _, err := m.Generate(ended, "ES256"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, unknown := range [][]byte{nil, {}, reference[:15], bytes.Repeat([]byte{1}, referenceSize)} {
		if k, err := m.Find(t.Context(), unknown); err == nil {
			t.Errorf("%x: found %v", unknown, k)
		}
	}
	for _, alg := range []string{"", "EdDSA", "HS256", "RS384"} {
		if _, _, err := m.Generate(t.Context(), alg); err == nil || !strings.Contains(err.Error(), "use ES256") {
			t.Errorf("%q: %v", alg, err)
		}
	}
	public, template, err := templates(reference)
	if err != nil {
		t.Fatal(err)
	}
	second, err := m.token.GenerateECDSAKeyPairWithAttributes(public, template, elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Find(t.Context(), reference); err == nil || !strings.Contains(err.Error(), "2 key pairs") {
		t.Errorf("two keys of one reference: %v", err)
	}
	if err := errors.Join(second.Delete(), private.(signer).key.Delete()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Find(t.Context(), reference); err == nil || !strings.Contains(err.Error(), "0 key pairs") {
		t.Errorf("a deleted key: %v", err)
	}
}

// Somebody deletes a key while it signs: signing fails with what the library
// returned, and nothing else does.
func TestDeletedKey(t *testing.T) {
	m := openModule(t, newToken(t))
	private, _, err := m.Generate(t.Context(), "ES256")
	if err != nil {
		t.Fatal(err)
	}
	if err := private.(signer).key.Delete(); err != nil {
		t.Fatal(err)
	}
	_, err = private.Sign(rand.Reader, make([]byte, 32), crypto.SHA256)
	var coded interface{ Code() uint }
	if !errors.As(err, &coded) || coded.Code() == 0 || !strings.Contains(err.Error(), "CKR_") {
		t.Error(err)
	}
	other, _, err := m.Generate(t.Context(), "ES256")
	if err != nil {
		t.Fatal(err)
	}
	signs(t, "ES256", other)
}

// Four goroutines share the one session that a limit of two leaves.
func TestSessionLimit(t *testing.T) {
	m, err := open(newToken(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	private, _, err := m.Generate(t.Context(), "ES256")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				signs(t, "ES256", private)
			}
		})
	}
	wg.Wait()
}

// A signature waits for a session, but not for ever.
func TestNoFreeSession(t *testing.T) {
	m, err := open(newToken(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	private, _, err := m.Generate(t.Context(), "ES256")
	if err != nil {
		t.Fatal(err)
	}
	key, err := m.token.GenerateSecretKey([]byte("aes"), 256, crypto11.CipherAES)
	if err != nil {
		t.Fatal(err)
	}
	holder, err := key.NewCBCEncrypterCloser(make([]byte, 16)) // keeps a session until it is closed
	if err != nil {
		t.Fatal(err)
	}
	if signature, err := private.Sign(rand.Reader, make([]byte, 32), crypto.SHA256); err == nil {
		t.Errorf("signed without a session: %x", signature)
	}
	holder.Close()
	signs(t, "ES256", private)
}

func TestClosedModule(t *testing.T) {
	m, err := Open(newToken(t))
	if err != nil {
		t.Fatal(err)
	}
	private, reference, err := m.Generate(t.Context(), "ES256")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Find(t.Context(), reference); err == nil {
		t.Error("a closed module finds keys")
	}
	if signature, err := private.Sign(rand.Reader, make([]byte, 32), crypto.SHA256); err == nil {
		t.Errorf("a key of a closed module signs: %x", signature)
	}
}

// optionPath returns the path of the option that an error is about.
func optionPath(err error) string {
	var option interface{ OptionPath() string }
	if errors.As(err, &option) {
		return option.OptionPath()
	}
	return ""
}

func TestOpenFails(t *testing.T) {
	o := newToken(t)
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		options       Options
		path, message string
	}{
		"no options":  {Options{}, "module", "token: missing"},
		"no PIN":      {Options{Module: o.Module, Token: o.Token}, "pin", "missing"},
		"no library":  {Options{Module: text + ".missing", Token: o.Token, PIN: o.PIN}, "module", "no such file"},
		"bad library": {Options{Module: text, Token: o.Token, PIN: o.PIN}, "module", "no PKCS#11 library"},
		"no token":    {Options{Module: o.Module, Token: "other", PIN: o.PIN}, "token", `no token "other"`},
		"wrong PIN":   {Options{Module: o.Module, Token: o.Token, PIN: "0000000"}, "pin", "CKR_PIN_INCORRECT"},
	} {
		m, err := Open(c.options)
		if m != nil || err == nil || optionPath(err) != c.path || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v, path %q", name, err, optionPath(err))
		}
		if c.options.PIN != "" && strings.Contains(fmt.Sprint(err), c.options.PIN) {
			t.Errorf("%s: error %q holds the PIN", name, err)
		}
	}
	openModule(t, o) // none of the failures is in its way
}

// A wrong PIN is tried once, and a right one too: the library is asked to log in
// only once, as a library in between writes down.
func TestPINIsTriedOnce(t *testing.T) {
	o := newToken(t)
	if _, err := os.Stat(spy); err != nil {
		t.Fatalf("%v: install opensc-pkcs11", err)
	}
	for _, tried := range []string{"wrongpin", o.PIN} {
		log := filepath.Join(t.TempDir(), "calls")
		t.Setenv("PKCS11SPY", softHSM)
		t.Setenv("PKCS11SPY_OUTPUT", log)
		m, err := Open(Options{Module: spy, Token: o.Token, PIN: tried})
		if (err == nil) != (tried == o.PIN) {
			t.Error(err)
		}
		if m != nil {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
		calls, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(calls), ": C_Login\n"); n != 1 {
			t.Errorf("%d logins, want 1", n)
		}
	}
}

// Nobody is to lock a token by restarting a service with a wrong PIN. A token
// with one session has none left for signatures.
func TestCheckState(t *testing.T) {
	for message, token := range map[string]p11.TokenInfo{
		"is locked":      {Flags: p11.CKF_LOGIN_REQUIRED | p11.CKF_USER_PIN_LOCKED},
		"none was tried": {Flags: p11.CKF_LOGIN_REQUIRED | p11.CKF_USER_PIN_FINAL_TRY},
		"one session":    {MaxRwSessionCount: 1},
	} {
		if err := checkState(Options{Token: "keys"}, token); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v", message, err)
		}
	}
	if err := checkState(Options{}, p11.TokenInfo{Flags: p11.CKF_USER_PIN_COUNT_LOW}); err != nil {
		t.Error(err)
	}
}
