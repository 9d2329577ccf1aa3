package keys_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"privyseal/keys"
)

// scalars returns the numbers that a private key is made of.
func scalars(t testing.TB, k *keys.Key) [][]byte {
	t.Helper()
	switch private := privateOf(t, k).(type) {
	case *ecdsa.PrivateKey:
		d, err := private.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return [][]byte{d}
	case ed25519.PrivateKey:
		return [][]byte{private.Seed()}
	case *rsa.PrivateKey:
		return [][]byte{private.D.Bytes(), private.Primes[0].Bytes(), private.Primes[1].Bytes(), private.Precomputed.Dp.Bytes()}
	}
	t.Fatal("unknown kind of key")
	return nil
}

// secrets returns every way in which a printer writes private keys.
func secrets(t testing.TB, list ...*keys.Key) []string {
	t.Helper()
	var all []string
	for _, k := range list {
		for _, s := range scalars(t, k) {
			all = append(all, keys.FormsOf(s)...)
		}
	}
	return all
}

func wantNoSecret(t *testing.T, where, text string, secrets []string) {
	t.Helper()
	plain := strings.NewReplacer("\n", "", `\n`, "").Replace(text)
	for _, s := range secrets {
		if strings.Contains(text, s) || strings.Contains(plain, s) {
			t.Errorf("%s shows a private key", where)
			return
		}
	}
}

// The search finds what a careless printer writes.
func TestSecretsAreFound(t *testing.T) {
	k := newKey(t, "ES256")
	private := privateOf(t, k).(*ecdsa.PrivateKey)
	d, _ := private.Bytes()
	for _, text := range []string{fmt.Sprint(private), fmt.Sprintf("%x", d), fmt.Sprintf("%v", d), fmt.Sprintf("%#v", d), string(privateText(t, k))} {
		plain := strings.ReplaceAll(text, "\n", "")
		found := false
		for _, s := range secrets(t, k) {
			found = found || strings.Contains(plain, s)
		}
		if !found {
			t.Errorf("not found in %s", text)
		}
	}
}

// No verb and no encoder shows more of a key than its name, whether it is given
// a value, a pointer, or a struct that holds one in a field of either kind.
func TestNothingPrintsPrivateKeys(t *testing.T) {
	var list []*keys.Key
	for _, alg := range algorithms {
		list = append(list, newKey(t, alg))
	}
	set := setOf(t, list...)
	ring := keys.NewRing(keys.RingOptions{})
	if err := ring.Use(set, keys.Rotation{}); err != nil {
		t.Fatal(err)
	}
	ephemeral := keys.NewRing(keys.RingOptions{})
	if err := ephemeral.UseEphemeral(); err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Key     keys.Key
		Pointer *keys.Key
		Set     keys.Set
		Keys    []*keys.Key
		Ring    *keys.Ring
		key     keys.Key // fmt reads it without calling its methods
		pointer *keys.Key
		set     keys.Set
	}
	values := map[string]any{
		"ring": ring, "ephemeral ring": ephemeral, "status": ring.Status(), "rings": []*keys.Ring{ring}, "set": set, "set value": *set, "keys": list,
	}
	for _, k := range list {
		h := holder{*k, k, *set, list, ring, *k, k, *set}
		values["key "+k.Algorithm()] = k
		values["key value "+k.Algorithm()] = *k
		values["holder "+k.Algorithm()] = h
		values["holder pointer "+k.Algorithm()] = &h
		values["map "+k.Algorithm()] = map[string]keys.Key{"k": *k}
		values["signer error "+k.Algorithm()] = errors.Join(fmt.Errorf("with %v", k), fmt.Errorf("with %+v", *k))
	}
	secret := secrets(t, list...)
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "% x", "%#x"} {
			wantNoSecret(t, name+" with "+verb, fmt.Sprintf(verb, v), secret)
		}
		if text, err := json.Marshal(v); err == nil {
			wantNoSecret(t, name+" in JSON", string(text), secret)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v, slog.Group("g", "v", v))
		wantNoSecret(t, name+" in a log", log.String(), secret)
	}
}

func TestKeysPrintTheirNames(t *testing.T) {
	k := newKey(t, "ES256")
	name := "ES256 " + k.KeyID()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, k); got != name {
			t.Errorf("%s: %s", verb, got)
		}
		if got := fmt.Sprintf(verb, *setOf(t, k)); got != "["+name+"]" {
			t.Errorf("%s: %s", verb, got)
		}
	}
	if got, err := json.Marshal(map[string]any{"key": k, "set": setOf(t, k)}); err != nil || string(got) != `{"key":"`+name+`","set":"[`+name+`]"}` {
		t.Errorf("%s, %v", got, err)
	}
}

// Private keys do not reach the key set, the log, or an error, whatever is
// wrong with the file they are in.
func TestPrivateKeysStayInside(t *testing.T) {
	for _, alg := range algorithms {
		k, next := newKey(t, alg), newKey(t, "ES256")
		secret := secrets(t, k)
		var log bytes.Buffer
		ring := keys.NewRing(keys.RingOptions{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		for _, set := range []*keys.Set{setOf(t, k), setOf(t, next, k), setOf(t, next)} {
			if err := ring.Use(set, keys.Rotation{HoldNew: len(set.Keys()) == 2}); err != nil {
				t.Fatal(err)
			}
			wantNoSecret(t, alg+" key set", string(jwksOf(t, ring)), secret)
		}
		wantNoSecret(t, alg+" log", log.String(), secret)

		text := privateText(t, k)
		for i := range text {
			if i%3 != 0 && alg == "RS256" { // each signs a probe; a third will do
				continue
			}
			broken := bytes.Clone(text)
			broken[i] ^= 1
			if set, err := keys.Parse(broken, keys.ParseOptions{}); err != nil {
				wantNoSecret(t, alg+" error", err.Error(), secret)
			} else {
				wantNoSecret(t, alg+" set", fmt.Sprint(set), secret)
			}
		}
	}
}
