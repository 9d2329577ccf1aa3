package verify_test

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"privyseal/authz/verify"
	"privyseal/authz/verify/verifytest"
)

func static(t *testing.T, issuer *verifytest.Issuer) *verify.KeySet {
	t.Helper()
	keys, err := verify.Static(issuer.KeySet())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func newIssuer(t *testing.T) *verifytest.Issuer {
	t.Helper()
	issuer := verifytest.NewIssuer()
	t.Cleanup(issuer.Close)
	return issuer
}

// A token has one spelling; every other one is refused, so that the text can
// identify the token.
func TestOneSpelling(t *testing.T) {
	issuer := newIssuer(t)
	keys := static(t, issuer)
	good := issuer.Sign(map[string]any{"a": 1})
	if _, err := keys.Verify(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	for name, jws := range map[string]string{
		"empty":              "",
		"two parts":          header + "." + payload,
		"four parts":         good + ".",
		"detached payload":   header + ".." + signature,
		"JSON serialization": `{"protected":"` + header + `","payload":"` + payload + `","signature":"` + signature + `"}`,
		"padded":             good + "==",
		"line end inside":    header + "." + payload + "." + signature[:10] + "\n" + signature[10:],
		"line end after":     good + "\r\n",
		"space before":       " " + good,
		"standard alphabet":  header + "." + payload + "." + signature[:84] + "+/",
		"trailing bits":      good[:len(good)-1] + next(good[len(good)-1]),
		"too long":           header + "." + strings.Repeat("A", 64<<10) + "." + signature,
	} {
		if _, err := keys.Verify(t.Context(), jws); err == nil {
			t.Errorf("%s: accepted", name)
		} else if name != "detached payload" && !errors.Is(err, verify.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// next returns the following character of the base64url alphabet: the same
// bytes, but for the bits that are not used.
func next(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)+1])
}

func TestHeaderMembers(t *testing.T) {
	issuer := newIssuer(t)
	keys := static(t, issuer)
	plain := map[string]any{"alg": "ES256", "kid": issuer.KeyID(), "typ": "JWT"}
	for _, c := range []struct {
		name  string
		value any
		want  error // nil: accepted
	}{
		{"x5t", "abc", nil},
		{"cty", "x", nil},
		{"typ", "at+jwt", nil}, // reported, the caller decides
		{"alg", "none", verify.ErrMalformed},
		{"alg", "HS256", verify.ErrMalformed},
		{"alg", "es256", verify.ErrMalformed},
		{"alg", "RS384", verify.ErrMalformed}, // only when asked
		{"alg", "", verify.ErrMalformed},
		{"alg", 1, verify.ErrMalformed},
		{"alg", []string{"ES256"}, verify.ErrMalformed},
		{"alg", "ES384", verify.ErrSignature}, // not the key's
		{"alg", "RS256", verify.ErrSignature},
		{"alg", "EdDSA", verify.ErrSignature},
		{"crit", []string{"exp"}, verify.ErrMalformed},
		{"b64", false, verify.ErrMalformed},
		{"b64", true, verify.ErrMalformed},
		{"jwk", map[string]any{"kty": "EC"}, verify.ErrMalformed},
		{"jku", "https://evil.example/keys", verify.ErrMalformed},
		{"x5u", "https://evil.example/cert", verify.ErrMalformed},
		{"x5c", []string{"MII"}, verify.ErrMalformed},
		{"zip", "DEF", verify.ErrMalformed},
		{"kid", "", verify.ErrMalformed},
		{"kid", 1, verify.ErrMalformed},
		{"kid", nil, verify.ErrMalformed},
		{"kid", "a\x00b", verify.ErrMalformed},
		{"kid", strings.Repeat("k", 257), verify.ErrMalformed},
		{"kid", "../../etc/passwd", verify.ErrUnknownKey},
		{"kid", "KEY-1", verify.ErrUnknownKey},
		{"typ", 1, verify.ErrMalformed},
	} {
		header := maps.Clone(plain)
		header[c.name] = c.value
		if _, err := keys.Verify(t.Context(), issuer.SignRaw(header, []byte("{}"))); !errors.Is(err, c.want) {
			t.Errorf("%s %v: got %v, want %v", c.name, c.value, err, c.want)
		}
	}
}

// The header is read as JSON by everybody in the same way, or refused.
func TestHeaderText(t *testing.T) {
	issuer := newIssuer(t)
	keys := static(t, issuer)
	good := issuer.SignRaw(map[string]any{"alg": "ES256"}, []byte("{}"))
	_, rest, _ := strings.Cut(good, ".")
	for _, header := range []string{
		``, `null`, `[]`, `"x"`, `{`, `{"alg":"ES256",}`, `{"alg":"ES256"}{}`, `{"alg":"ES256"} x`,
		`{"alg":"none","alg":"ES256"}`, `{"alg":"ES256","\u0061lg":"none"}`,
		`{"alg":"ES256","x":{"a":1,"a":2}}`, `{"ALG":"ES256"}`, "{\"alg\":\"ES256\",\"x\":\"\xff\"}",
		`{"alg":"ES256","x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
	} {
		jws := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + rest
		if _, err := keys.Verify(t.Context(), jws); !errors.Is(err, verify.ErrMalformed) {
			t.Errorf("%s: %v", header, err)
		}
	}
}

func TestTokenWithoutKid(t *testing.T) {
	issuer := newIssuer(t)
	jws := issuer.SignRaw(map[string]any{"alg": "ES256"}, []byte("{}"))
	if _, err := static(t, issuer).Verify(t.Context(), jws); err != nil {
		t.Errorf("one key: %v", err)
	}
	issuer.Rotate()
	if _, err := static(t, issuer).Verify(t.Context(), jws); !errors.Is(err, verify.ErrUnknownKey) {
		t.Errorf("two keys: %v", err)
	}
}

// An ECDSA signature is as wide as its curve: not DER, not with leading zeros.
func TestSignatureWidth(t *testing.T) {
	issuer := newIssuer(t)
	keys := static(t, issuer)
	good := issuer.Sign(map[string]any{})
	dot := strings.LastIndexByte(good, '.') + 1
	rs, err := base64.RawURLEncoding.DecodeString(good[dot:])
	if err != nil {
		t.Fatal(err)
	}
	wide := slices.Concat([]byte{0}, rs[:32], []byte{0}, rs[32:])
	wideS := slices.Concat(rs[:32], []byte{0}, rs[32:])
	for name, signature := range map[string][]byte{
		"empty": {}, "wide": wide, "wide s": wideS, "short": rs[:63], "zero": make([]byte, 64),
	} {
		jws := good[:dot] + base64.RawURLEncoding.EncodeToString(signature)
		if _, err := keys.Verify(t.Context(), jws); !errors.Is(err, verify.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// VerifySignature has the shape that go-oidc asks for and takes ID tokens.
func TestVerifySignatureWantsJWT(t *testing.T) {
	issuer := newIssuer(t)
	keys := static(t, issuer)
	for typ, ok := range map[string]bool{"JWT": true, "jwt": true, "logout+jwt": false, "at+jwt": false, "JOSE": false} {
		jws := issuer.SignRaw(map[string]any{"alg": "ES256", "typ": typ}, []byte("{}"))
		if _, err := keys.VerifySignature(t.Context(), jws); (err == nil) != ok {
			t.Errorf("typ %s: %v", typ, err)
		}
	}
	if _, err := keys.VerifySignature(t.Context(), issuer.SignRaw(map[string]any{"alg": "ES256"}, nil)); err != nil {
		t.Errorf("no typ: %v", err)
	}
}

// The interface of go-oidc's oidc.KeySet.
var _ interface {
	VerifySignature(ctx context.Context, jws string) ([]byte, error)
} = (*verify.KeySet)(nil)
