package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func kek(seed byte) []byte {
	key := bytes.Repeat([]byte{seed}, 32)
	key[0]++
	return key
}

func TestKeyFileForms(t *testing.T) {
	key := kek(0xfb) // its base64 differs in the two alphabets
	reference, err := NewKeyFile(key)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := reference.Wrap(t.Context(), []byte("a key"), []byte("about it"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"raw": string(key), "hex": hex.EncodeToString(key), "HEX": strings.ToUpper(hex.EncodeToString(key)),
		"base64": base64.StdEncoding.EncodeToString(key) + "\n", "base64url": base64.RawURLEncoding.EncodeToString(key),
		"CRLF": base64.StdEncoding.EncodeToString(key) + "\r\n", "second line": hex.EncodeToString(kek(1)) + "\n" + hex.EncodeToString(key),
	} {
		w, err := NewKeyFile([]byte(content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := w.Unwrap(t.Context(), wrapped, []byte("about it")); err != nil || string(got) != "a key" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, content := range map[string]string{
		"empty": "", "a newline": "\n", "short": "c2hvcnQ=", "31 bytes": string(key[:31]), "33 bytes": string(key) + "x",
		"text": strings.Repeat("hunter2 ", 9), "zeros": string(make([]byte, 32)), "one byte": hex.EncodeToString(bytes.Repeat([]byte{7}, 32)),
		"an empty line between": hex.EncodeToString(key) + "\n\n" + hex.EncodeToString(key), "too many": strings.Repeat(hex.EncodeToString(key)+"\n", 9),
	} {
		if _, err := NewKeyFile([]byte(content)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeyFileBinds(t *testing.T) {
	w, err := NewKeyFile(kek(1))
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := w.Wrap(t.Context(), []byte("a key"), []byte("about it"))
	if err != nil {
		t.Fatal(err)
	}
	again, _ := w.Wrap(t.Context(), []byte("a key"), []byte("about it"))
	if bytes.Equal(wrapped, again) {
		t.Error("the same key is wrapped to the same bytes")
	}
	if _, err := w.Unwrap(t.Context(), wrapped, []byte("about another")); err == nil {
		t.Error("unwrapped with other additional data")
	}
	for i := range wrapped {
		damaged := bytes.Clone(wrapped)
		damaged[i] ^= 1
		if _, err := w.Unwrap(t.Context(), damaged, []byte("about it")); err == nil {
			t.Errorf("unwrapped with byte %d flipped", i)
		}
		if _, err := w.Unwrap(t.Context(), wrapped[:i], []byte("about it")); err == nil {
			t.Errorf("unwrapped %d bytes of it", i)
		}
	}
	other, _ := NewKeyFile(kek(2))
	if _, err := other.Unwrap(t.Context(), wrapped, []byte("about it")); err == nil {
		t.Error("unwrapped with another key")
	}
}

func TestKeyFileIsNotPrinted(t *testing.T) {
	key := kek(0x41)
	w, err := NewKeyFile(key)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&said, verb, w)
		fmt.Fprintf(&said, verb, struct{ W Wrapper }{w})
	}
	text, _ := json.Marshal(w)
	said.Write(text)
	slog.New(slog.NewJSONHandler(&said, nil)).Info("x", "w", w)
	for _, secret := range []string{string(key[1:]), hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key), "65 65 65"} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("printed: %s", said.String())
		}
	}
}
