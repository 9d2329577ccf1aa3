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
	password := "correct horse battery staple 1234"
	for name, content := range map[string]string{
		"empty": "", "a newline": "\n", "short": "c2hvcnQ=", "31 bytes": string(key[:31]), "33 bytes": string(key) + "x",
		"raw and a newline": string(key) + "\n", "text": strings.Repeat("hunter2 ", 9), "zeros": string(make([]byte, 32)),
		"one byte": hex.EncodeToString(bytes.Repeat([]byte{7}, 32)), "a password": password[:32],
		"hex of 16 bytes": hex.EncodeToString(key[:16]), "hex of 16 bytes and a newline": hex.EncodeToString(key[:16]) + "\n",
		"an empty line between": hex.EncodeToString(key) + "\n\n" + hex.EncodeToString(key),
		"a bad second line":     hex.EncodeToString(key) + "\nhunter2", "too many": strings.Repeat(hex.EncodeToString(key)+"\n", 9),
	} {
		_, err := NewKeyFile([]byte(content))
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		if !strings.Contains(err.Error(), "head -c 32 /dev/urandom") && name != "too many" {
			t.Errorf("%s: says not what to do: %v", name, err)
		}
		for _, secret := range []string{"hunter2", "horse", hex.EncodeToString(key[:4]), string(key[1:5])} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: shows the content: %v", name, err)
			}
		}
	}
}

// The three steps of replacing a key-encryption key: at each, a replica that has
// not made the step yet and one that has read what the other wrote.
func TestKeyFileRotation(t *testing.T) {
	before, after := hex.EncodeToString(kek(1)), hex.EncodeToString(kek(2))
	files := []string{before, before + "\n" + after, after + "\n" + before, after}
	var wrapped [][]byte
	for _, content := range files {
		w, err := NewKeyFile([]byte(content))
		if err != nil {
			t.Fatal(err)
		}
		text, err := w.Wrap(t.Context(), []byte("a key"), nil)
		if err != nil {
			t.Fatal(err)
		}
		wrapped = append(wrapped, text)
	}
	for i := range files[1:] {
		for _, c := range []struct{ reader, writer int }{{i, i + 1}, {i + 1, i}} {
			w, _ := NewKeyFile([]byte(files[c.reader]))
			if _, err := w.Unwrap(t.Context(), wrapped[c.writer], nil); err != nil {
				t.Errorf("a replica at step %d cannot read what one at step %d wrote", c.reader, c.writer)
			}
		}
	}
	last, _ := NewKeyFile([]byte(after))
	if _, err := last.Unwrap(t.Context(), wrapped[0], nil); err == nil || !strings.Contains(err.Error(), "another key-encryption key") {
		t.Errorf("the removed key still unwraps: %v", err)
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
	key := kek(0xfb)
	w, err := NewKeyFile(key)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "% x", "%c"} {
		fmt.Fprintf(&said, verb, w)
		fmt.Fprintf(&said, verb, struct{ W Wrapper }{w})
	}
	text, _ := json.Marshal(w)
	said.Write(text)
	slog.New(slog.NewJSONHandler(&said, nil)).Info("x", "w", w)
	slog.New(slog.NewTextHandler(&said, nil)).Info("x", "w", w)
	for _, secret := range []string{string(key[1:]), hex.EncodeToString(key), strings.ToUpper(hex.EncodeToString(key)), base64.StdEncoding.EncodeToString(key)[:16], "251 251 251", "0xfb, 0xfb", "fb fb fb"} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("printed: %s", said.String())
		}
	}
}
