package keys

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
)

// formsOf returns the ways in which printers write bytes. Byte strings are
// searched without their first and last bytes, which base64 may merge with
// others.
func formsOf(secret []byte) []string {
	forms := []string{
		string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)), new(big.Int).SetBytes(secret).String(),
		strings.Trim(fmt.Sprint(secret[:8]), "[]"), strings.Trim(fmt.Sprintf("%#v", secret[:8])[6:], "{}"),
	}
	for shift := range 3 { // wherever it begins in the encoded text
		inner := secret[shift : shift+(len(secret)-shift)/3*3]
		forms = append(forms, base64.StdEncoding.EncodeToString(inner), base64.URLEncoding.EncodeToString(inner))
	}
	return forms
}

// secretsOf returns the private scalars of a keeper's keys, its data key, and
// what is sealed of them in the document.
func secretsOf(t *testing.T, k *Keeper) (forms []string) {
	t.Helper()
	count := 0
	for _, key := range k.opened {
		if !key.Private() {
			continue
		}
		d, err := key.secret().(*ecdsa.PrivateKey).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		count++
		forms = append(forms, formsOf(d)...)
	}
	for _, key := range k.last.Keys {
		if key.private != nil {
			count++
			forms = append(forms, formsOf(key.private())...)
		}
	}
	if k.last.sealing != nil {
		count++
		forms = append(forms, formsOf(k.last.sealing.dataKey())...)
		forms = append(forms, formsOf([]byte("fake but long enough for a key 1"))...) // see keyFile
	}
	if count < 4 {
		t.Fatalf("%d secrets", count)
	}
	return forms
}

// The search finds what a careless printer writes, and what a store holds.
func TestKeeperSecretsAreFound(t *testing.T) {
	store, m := rotated(t, inTheClear)
	secret := secretsOf(t, m.keeper)
	for name, text := range map[string]string{
		"the document": string(store.held()),
		"a printed key": fmt.Sprint(func() any {
			return m.ring.current.Load().signer.key.secret()
		}()),
	} {
		if !containsAny(text, secret) {
			t.Errorf("nothing is found in %s: %s", name, text)
		}
	}
}

func containsAny(text string, forms []string) bool {
	for _, s := range forms {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// No verb, no encoder and no log shows a private key, sealed or not.
func TestKeeperPrintsNoSecret(t *testing.T) {
	for name, change := range map[string]func(*KeeperOptions){"encrypted": func(*KeeperOptions) {}, "in the clear": inTheClear} {
		t.Run(name, func(t *testing.T) {
			store, m := rotated(t, change)
			operation, err := m.keeper.Rotate(t.Context(), ModeAvailability)
			if err != nil {
				t.Fatal(err)
			}
			store.fail = func(swap bool) error {
				if swap {
					return ErrConflict
				}
				return nil
			}
			m.keeper.Rotate(t.Context(), ModePurge) // leaves spare keys
			secret := secretsOf(t, m.keeper)
			document := *documentIn(t, store)
			type holder struct {
				Document Document
				document Document
				key      DocumentKey
				keeper   Keeper
				made     []made
			}
			for name, v := range map[string]any{
				"document": document, "*document": &document, "key": document.Keys[0], "keys": document.Keys,
				"change": operation, "keeper": m.keeper, "options": m.keeper.options, "spare": m.keeper.spare,
				"status": m.keeper.Status(), "store status": *m.keeper.Status().Store, "ring": m.ring, "snapshot": m.ring.current.Load(),
				"shared": *m.ring.current.Load().shared, "protection": m.keeper.last.sealing,
				"holder": &holder{document, document, document.Keys[0], Keeper{options: m.keeper.options, last: m.keeper.last, opened: m.keeper.opened}, m.keeper.spare},
			} {
				for _, text := range printed(v) {
					if containsAny(text, secret) {
						t.Errorf("%s shows a private key: %s", name, text)
					}
				}
			}
			if containsAny(m.log.String(), secret) {
				t.Error("the log shows a private key")
			}
		})
	}
}

func printed(v any) (all []string) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "% x"} {
		all = append(all, fmt.Sprintf(verb, v))
	}
	if text, err := json.Marshal(v); err == nil {
		all = append(all, string(text))
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
	return append(all, log.String())
}

// No error repeats a private key, sealed or not, whatever is wrong with a
// document.
func TestKeeperErrorsShowNoSecret(t *testing.T) {
	for name, change := range map[string]func(*KeeperOptions){"encrypted": func(*KeeperOptions) {}, "in the clear": inTheClear} {
		t.Run(name, func(t *testing.T) {
			store, m := rotated(t, change)
			secret, good, failed := secretsOf(t, m.keeper), store.held(), 0
			step := 1
			if raceEnabled {
				step = 5
				t.Log("under the race detector: every fifth byte")
			}
			for i := 0; i < len(good); i += step {
				for _, bad := range [][]byte{good[:i], bytes.Join([][]byte{good[:i], good[min(i+1, len(good)):]}, []byte{good[i] ^ 3})} {
					starting := newReplica(t, &memoryStore{document: bad, revision: 1}, change)
					starting.now = m.now
					err := starting.step()
					if err == nil {
						continue
					}
					failed++
					if containsAny(err.Error(), secret) || containsAny(starting.log.String(), secret) || containsAny(starting.keeper.Status().Store.LastError, secret) {
						t.Fatalf("byte %d: the error shows a private key", i)
					}
				}
			}
			if failed < len(good)/step {
				t.Errorf("%d errors only", failed)
			}
		})
	}
}
