package verify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"privyseal/authz/verify"
)

// moment is when the tests of claims take place.
const moment = 1_900_000_000

func newVerifier(t *testing.T, c verify.Config) *verify.Verifier {
	t.Helper()
	c.Issuer, c.Audience = "orders.example.com", "orders"
	c.Now = func() time.Time { return time.Unix(moment, 0) }
	v, err := verify.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// asMade is an assertion as privyseal makes it.
func asMade() map[string]any {
	return map[string]any{
		"iss": "orders.example.com", "aud": "orders", "sub": "u-1", "user": "u-1", "email": "ann@example.com",
		"name": "Ann", "sid": "s-1", "idp": "corp", "groups": []string{"staff", "ops"},
		"iat": moment - 10, "exp": moment + 300, "jti": "j-1",
	}
}

func TestAssertion(t *testing.T) {
	issuer := newIssuer(t)
	v := newVerifier(t, verify.Config{Keys: static(t, issuer)})
	claims := asMade()
	claims["level"] = 3
	got, err := v.Verify(t.Context(), issuer.Sign(claims), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Claims) != len(claims) || got.Claims["level"] != json.Number("3") {
		t.Errorf("claims %v", got.Claims)
	}
	got.Claims = nil
	want := &verify.Assertion{
		Issuer: "orders.example.com", Audience: "orders", Subject: "u-1", User: "u-1", Email: "ann@example.com", Name: "Ann",
		Session: "s-1", IdentityProvider: "corp", ID: "j-1", Groups: []string{"staff", "ops"},
		IssuedAt: time.Unix(moment-10, 0), Expires: time.Unix(moment+300, 0), KeyID: issuer.KeyID(),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestClaims(t *testing.T) {
	issuer := newIssuer(t)
	v := newVerifier(t, verify.Config{Keys: static(t, issuer)})
	remove := any(nil)
	for _, c := range []struct {
		name  string
		value any
		ok    bool
	}{
		{"iss", remove, false},
		{"iss", "", false},
		{"iss", "ORDERS.example.com", false},
		{"iss", "https://orders.example.com", false},
		{"iss", []string{"orders.example.com"}, false},
		{"aud", remove, false},
		{"aud", "", false},
		{"aud", "billing", false},
		{"aud", "orders ", false},
		{"aud", []string{"orders"}, false}, // an assertion is for one application
		{"aud", []string{"orders", "billing"}, false},
		{"sub", remove, false},
		{"sub", "", false},
		{"sub", 7, false},
		{"email", remove, true},
		{"email", 7, false},
		{"user", map[string]any{}, false},
		{"jti", 7, false},
		{"groups", remove, true},
		{"groups", []string{}, true},
		{"groups", "staff", false},
		{"groups", []any{"staff", 1}, false},
		{"groups_overage", true, true},
		{"groups_overage", "true", false},

		{"exp", remove, false},
		{"exp", "1900000300", false},
		{"exp", json.RawMessage("1900000300.5"), false},
		{"exp", json.RawMessage("1.9000003e9"), false},
		{"exp", json.RawMessage("1e99"), false},
		{"exp", json.RawMessage("9223372036854775807"), false},
		{"exp", -1, false},
		{"exp", moment, true}, // within the leeway
		{"exp", moment - 9, true},
		{"exp", moment - 10, false}, // not after iat
		{"exp", moment - 60, false},
		{"exp", moment - 10 + 11*60, true},
		{"exp", moment - 10 + 11*60 + 1, false},
		{"iat", remove, false},
		{"iat", true, false},
		{"iat", json.RawMessage("1899999990.0"), false},
		{"iat", moment + 60, true},
		{"iat", moment + 61, false},
		{"iat", 0, false}, // too long a life
		{"nbf", moment + 60, true},
		{"nbf", moment + 61, false},
		{"nbf", json.RawMessage("9223372036854775807"), false}, // overflows into the past
		{"nbf", -1, false},
		{"nbf", "now", false},
		{"nbf", json.RawMessage("null"), false},

		{"cnf", map[string]any{"x5t#S256": "x"}, false}, // bound to what we cannot check
		{"req", map[string]any{"htm": "GET"}, false},
		{"htm", "GET", false},
		{"htu", "https://orders.example.com/", false},
		{"ath", "x", false},
	} {
		claims := asMade()
		claims[c.name] = c.value
		if c.value == remove {
			delete(claims, c.name)
		}
		_, err := v.Verify(t.Context(), issuer.Sign(claims), nil)
		if c.ok && err != nil || !c.ok && !errors.Is(err, verify.ErrClaims) {
			t.Errorf("%s = %v: %v", c.name, c.value, err)
		}
	}
}

func TestExpiry(t *testing.T) {
	issuer := newIssuer(t)
	for _, c := range []struct {
		leeway time.Duration
		ago    int // seconds since exp
		ok     bool
	}{{0, 59, true}, {0, 60, false}, {time.Second, 0, true}, {time.Second, 1, false}, {5 * time.Minute, 299, true}, {5 * time.Minute, 300, false}} {
		v := newVerifier(t, verify.Config{Keys: static(t, issuer), Leeway: c.leeway})
		claims := asMade()
		claims["iat"], claims["exp"] = moment-c.ago-100, moment-c.ago
		if _, err := v.Verify(t.Context(), issuer.Sign(claims), nil); (err == nil) != c.ok {
			t.Errorf("leeway %v, %d s after exp: %v", c.leeway, c.ago, err)
		}
	}
}

// What is signed but is no JSON object, or one that parsers read differently, is
// refused.
func TestPayloadText(t *testing.T) {
	issuer := newIssuer(t)
	v := newVerifier(t, verify.Config{Keys: static(t, issuer)})
	good, err := json.Marshal(asMade())
	if err != nil {
		t.Fatal(err)
	}
	header := map[string]any{"alg": "ES256", "kid": issuer.KeyID(), "typ": "JWT"}
	if _, err := v.Verify(t.Context(), issuer.SignRaw(header, good), nil); err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{
		"", "null", "[]", `"x"`, string(good) + "{}", string(good[:len(good)-1]),
		`{"sub":"root",` + string(good[1:]),
		`{"\u0073ub":"root",` + string(good[1:]),
		`{"x":{"a":1,"a":2},` + string(good[1:]),
		"{\"x\":\"\xff\"," + string(good[1:]),
	} {
		if _, err := v.Verify(t.Context(), issuer.SignRaw(header, []byte(payload)), nil); !errors.Is(err, verify.ErrClaims) {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

// An assertion says that it is a JWT and which key signed it.
func TestAssertionHeader(t *testing.T) {
	issuer := newIssuer(t)
	v := newVerifier(t, verify.Config{Keys: static(t, issuer)})
	payload, err := json.Marshal(asMade())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		header map[string]any
		ok     bool
	}{
		{map[string]any{"alg": "ES256", "kid": issuer.KeyID(), "typ": "JWT"}, true},
		{map[string]any{"alg": "ES256", "kid": issuer.KeyID(), "typ": "jwt"}, true},
		{map[string]any{"alg": "ES256", "kid": issuer.KeyID()}, false},
		{map[string]any{"alg": "ES256", "kid": issuer.KeyID(), "typ": "at+jwt"}, false},
		{map[string]any{"alg": "ES256", "kid": issuer.KeyID(), "typ": "dpop+jwt"}, false},
		{map[string]any{"alg": "ES256", "typ": "JWT"}, false},
	} {
		_, err := v.Verify(t.Context(), issuer.SignRaw(c.header, payload), nil)
		if c.ok && err != nil || !c.ok && !errors.Is(err, verify.ErrMalformed) {
			t.Errorf("%v: %v", c.header, err)
		}
	}
}

func TestAssertionSize(t *testing.T) {
	issuer := newIssuer(t)
	claims := asMade()
	claims["name"] = strings.Repeat("n", 13<<10) // 17 KiB in base64url
	jws := issuer.Sign(claims)
	if _, err := newVerifier(t, verify.Config{Keys: static(t, issuer)}).Verify(t.Context(), jws, nil); !errors.Is(err, verify.ErrMalformed) {
		t.Errorf("above the default: %v", err)
	}
	if _, err := newVerifier(t, verify.Config{Keys: static(t, issuer), MaxBytes: 32 << 10}).Verify(t.Context(), jws, nil); err != nil {
		t.Errorf("below the configured: %v", err)
	}
}

// All mistakes are told at once, each with the path of its option.
func TestConfigMistakes(t *testing.T) {
	_, err := verify.New(verify.Config{Leeway: 6 * time.Minute, MaxLifetime: -1, MaxBytes: 1 << 20})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("got %v", err)
	}
	var paths []string
	for _, e := range joined.Unwrap() {
		var option interface{ OptionPath() string }
		if errors.As(e, &option) {
			paths = append(paths, option.OptionPath())
		}
	}
	if got := fmt.Sprint(paths); got != "[issuer audience keys leeway max_lifetime max_bytes]" {
		t.Error(got)
	}
}
