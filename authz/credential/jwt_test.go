package credential_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/credential"
	"privyseal/authz/verify"
)

func TestTokenBecomesIdentity(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	o := idp.jwt("corp")
	o.ClaimPaths = map[string]string{"groups": "realm_access.roles"}
	id := expect(t, only(t, env(idp), jwtSources(o)), withBearer(idp.token(claims{
		"iss": idp.url, "aud": []string{"other", "api-v2"}, "sub": "s", "exp": now.Add(time.Hour).Unix(), "nbf": now.Unix(),
		"sid": "session", "email": "a@example.com", "email_verified": true, "name": "Ann", "acr": "urn:gold", "amr": []string{"pwd", "otp"},
		"auth_time": now.Add(-time.Hour).Unix(), "realm_access": claims{"roles": []string{"staff"}}, "azp": "cli", "jti": "x", "level": 7,
	})), authz.Allowed)
	want := *id
	want.Source, want.Issuer, want.Subject, want.Session = "corp", idp.url, "s", "session"
	want.Email, want.EmailVerified, want.Name, want.ACR, want.AMR = "a@example.com", true, "Ann", "urn:gold", []string{"pwd", "otp"}
	want.AuthTime, want.Expires, want.Groups = now.Add(-time.Hour), now.Add(time.Hour), []string{"staff"}
	if !reflect.DeepEqual(*id, want) {
		t.Errorf("got %+v\nwant %+v", *id, want)
	}
	for _, name := range []string{"iss", "aud", "sub", "exp", "nbf", "jti", "sid", "email", "name"} {
		if _, ok := id.Claims[name]; ok {
			t.Errorf("claim %s has a field of its own and is still among the others", name)
		}
	}
	for _, name := range []string{"azp", "level", "realm_access", "email_verified", "acr", "amr", "auth_time"} { // a rule may pass them on
		if _, ok := id.Claims[name]; !ok {
			t.Errorf("claim %s is lost", name)
		}
	}
	if id.Digest == [32]byte{} {
		t.Error("identity is not sealed")
	}
}

func TestClaimsAreChecked(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	a, good := only(t, env(idp), jwtSources(idp.jwt("corp"))), idp.claims()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, test := range map[string]struct {
		claims claims
		want   authz.Reason
	}{
		"good":                     {good, authz.Allowed},
		"another issuer":           {good.with("iss", "https://evil.example"), authz.UnknownIssuer},
		"issuer with slash":        {good.with("iss", idp.url+"/"), authz.UnknownIssuer},
		"issuer in capitals":       {good.with("iss", strings.ToUpper(idp.url)), authz.UnknownIssuer},
		"issuer as list":           {good.with("iss", []string{idp.url}), authz.UnknownIssuer},
		"no issuer":                {good.without("iss"), authz.UnknownIssuer},
		"another audience":         {good.with("aud", "billing"), authz.InvalidCredential},
		"prefix of an audience":    {good.with("aud", "ap"), authz.InvalidCredential},
		"no audience":              {good.without("aud"), authz.InvalidCredential},
		"empty audiences":          {good.with("aud", []string{}), authz.InvalidCredential},
		"audience among others":    {good.with("aud", []any{1, "x", "api"}), authz.Allowed},
		"audience as object":       {good.with("aud", claims{"api": true}), authz.InvalidCredential},
		"no expiry":                {good.without("exp"), authz.InvalidCredential},
		"expiry as string":         {good.with("exp", "1893456000"), authz.InvalidCredential},
		"expiry beyond all years":  {good.with("exp", 1e300), authz.InvalidCredential},
		"negative expiry":          {good.with("exp", -1), authz.InvalidCredential},
		"expires now":              {good.with("exp", at(0)), authz.ExpiredCredential},
		"expires within a second":  {good.with("exp", float64(at(0))+0.9), authz.ExpiredCredential},
		"expires in a second":      {good.with("exp", at(time.Second)), authz.Allowed},
		"issued in a minute":       {good.with("iat", at(time.Minute)), authz.Allowed},
		"issued later":             {good.with("iat", at(61*time.Second)), authz.InvalidCredential},
		"issued never":             {good.with("iat", "today"), authz.InvalidCredential},
		"valid in a minute":        {good.with("nbf", at(time.Minute)), authz.Allowed},
		"valid later":              {good.with("nbf", at(61*time.Second)), authz.InvalidCredential},
		"no subject":               {good.without("sub"), authz.InvalidCredential},
		"empty subject":            {good.with("sub", ""), authz.InvalidCredential},
		"subject as number":        {good.with("sub", 7), authz.InvalidCredential},
		"longest subject":          {good.with("sub", strings.Repeat("s", 255)), authz.Allowed},
		"subject too long":         {good.with("sub", strings.Repeat("s", 256)), authz.InvalidCredential},
		"subject with line break":  {good.with("sub", "a\nb"), authz.InvalidCredential},
		"subject with U+0085":      {good.with("sub", "a\u0085b"), authz.InvalidCredential},
		"subject that lost a half": {good.with("sub", "a\ufffd"), authz.InvalidCredential},
	} {
		t.Run(name, func(t *testing.T) { expect(t, a, withBearer(idp.token(test.claims)), test.want) })
	}
}

func TestHeadersAreChecked(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	a, payload := only(t, env(idp), jwtSources(idp.jwt("corp"))), mustJSON(idp.claims())
	kid := map[string]string{"ES256": "ec", "EdDSA": "ed", "RS256": "rsa", "PS256": "rsa", "HS256": "rsa"}
	for name, test := range map[string]struct {
		alg  string
		more map[string]any
		want authz.Reason
	}{
		"ES256":                     {"ES256", nil, authz.Allowed},
		"EdDSA":                     {"EdDSA", nil, authz.Allowed},
		"RS256":                     {"RS256", nil, authz.Allowed},
		"key is for RS256":          {"PS256", nil, authz.InvalidCredential},
		"public key as HMAC secret": {"HS256", nil, authz.InvalidCredential},
		"none":                      {"none", nil, authz.InvalidCredential},
		"None":                      {"None", nil, authz.InvalidCredential},
		"outside the list":          {"RS384", nil, authz.InvalidCredential},
		"ES256 with the RSA key":    {"ES256", map[string]any{"kid": idp.kid("rsa")}, authz.InvalidCredential},
		"access token":              {"ES256", map[string]any{"typ": "at+jwt"}, authz.Allowed},
		"media type":                {"ES256", map[string]any{"typ": "application/AT+JWT"}, authz.Allowed},
		"logout token":              {"ES256", map[string]any{"typ": "logout+jwt"}, authz.InvalidCredential},
		"typ as number":             {"ES256", map[string]any{"typ": 1}, authz.InvalidCredential},
		"critical extension":        {"ES256", map[string]any{"crit": []string{"exp"}}, authz.InvalidCredential},
		"kid as number":             {"ES256", map[string]any{"kid": 1}, authz.InvalidCredential},
		"unknown kid":               {"ES256", map[string]any{"kid": "../../etc/passwd"}, authz.InvalidCredential},
		"kid with NUL":              {"ES256", map[string]any{"kid": "a\x00b"}, authz.InvalidCredential},
		"long kid":                  {"ES256", map[string]any{"kid": strings.Repeat("k", 10<<10)}, authz.InvalidCredential},
		"key of its own":            {"ES256", map[string]any{"jwk": map[string]any{"kty": "EC"}}, authz.InvalidCredential},
	} {
		t.Run(name, func(t *testing.T) {
			header := map[string]any{"alg": test.alg, "kid": idp.kid(kid[test.alg]), "typ": "JWT"}
			for member, value := range test.more {
				header[member] = value
			}
			expect(t, a, withBearer(idp.sign(header, payload)), test.want)
		})
	}
}

func TestOnlyConfiguredAlgorithms(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	o := idp.jwt("corp")
	o.Algorithms = []string{"RS256"}
	a := only(t, env(idp), jwtSources(o))
	expect(t, a, withBearer(idp.token(idp.claims())), authz.InvalidCredential)
	if idp.asked != 0 {
		t.Error("the key set was asked about an algorithm that is not accepted")
	}
}

func TestMalformedTokens(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	a, good := only(t, env(idp), jwtSources(idp.jwt("corp"))), idp.token(idp.claims())
	parts := strings.Split(good, ".")
	header := map[string]any{"alg": "ES256", "kid": idp.kid("ec")}
	text := string(mustJSON(idp.claims()))
	signed := func(payload string) string { return idp.sign(header, []byte(payload)) }
	for name, token := range map[string]string{
		"word":                  "token",
		"dots":                  "..",
		"two parts":             parts[0] + "." + parts[1],
		"no signature":          parts[0] + "." + parts[1] + ".",
		"four parts":            good + ".x",
		"five parts (JWE)":      good + ".a.b",
		"JSON serialization":    `{"payload":"x"}`,
		"padding":               parts[0] + "=." + parts[1] + "." + parts[2],
		"standard base64":       parts[0] + "." + "+/+/" + "." + parts[2],
		"space inside":          parts[0] + ". " + parts[1] + "." + parts[2],
		"line break inside":     parts[0] + ".\n" + parts[1] + "." + parts[2],
		"header is no JSON":     b64([]byte("{")) + "." + parts[1] + "." + parts[2],
		"header is a list":      b64([]byte("[]")) + "." + parts[1] + "." + parts[2],
		"header without alg":    b64([]byte(`{"kid":"a"}`)) + "." + parts[1] + "." + parts[2],
		"header with two algs":  b64([]byte(`{"alg":"none","alg":"ES256"}`)) + "." + parts[1] + "." + parts[2],
		"payload is null":       signed("null"),
		"payload is empty":      signed(""),
		"payload is a string":   signed(`"sub"`),
		"two objects":           signed(text + "{}"),
		"sub twice":             signed(`{"sub":"admin",` + text[1:]),
		"sub twice, escaped":    signed(`{"s\u0075b":"admin",` + text[1:]),
		"member twice, deep":    signed(`{"a":{"b":1,"b":2},` + text[1:]),
		"not UTF-8":             signed(`{"name":"` + "\xff" + `",` + text[1:]),
		"byte order mark":       signed("\ufeff" + text),
		"comment":               signed("/**/" + text),
		"deep nesting":          signed(`{"a":` + strings.Repeat("[", 17) + strings.Repeat("]", 17) + `,` + text[1:]),
		"very deep nesting":     signed(`{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `,` + text[1:]),
		"too long":              signed(`{"a":"` + strings.Repeat("x", credential.MaxTokenBytes) + `",` + text[1:]),
		"signature of another":  parts[0] + "." + parts[1] + "." + strings.Split(idp.token(idp.claims().with("sub", "b")), ".")[2],
		"payload of another":    parts[0] + "." + strings.Split(idp.token(idp.claims().with("sub", "b")), ".")[1] + "." + parts[2],
		"another spelling":      good[:len(good)-1] + string(good[len(good)-1]+1), // a bit that is no part of the signature
		"signature of one byte": parts[0] + "." + parts[1] + ".AA",
	} {
		t.Run(name, func(t *testing.T) { expect(t, a, withBearer(token), authz.InvalidCredential) })
	}
	expect(t, a, withBearer(good), authz.Allowed)
}

// A token of one source is never taken by another, whatever it says.
func TestSourcesDoNotMix(t *testing.T) {
	corp, partner := newIssuer(t, "https://idp.example"), newIssuer(t, "https://partner.example")
	partnerOptions := partner.jwt("partner")
	partnerOptions.Audiences = []string{"partners"}
	sources, e := jwtSources(corp.jwt("corp"), partnerOptions), env(corp, partner)
	both, corpOnly := only(t, e, sources), only(t, e, sources, "corp")
	partnerClaims := partner.claims().with("aud", "partners").with("groups", []string{"staff"})

	id := expect(t, both, withBearer(partner.token(partnerClaims)), authz.Allowed)
	if id.Source != "partner" || id.Issuer != partner.url {
		t.Errorf("identity is the word of %s, %s", id.Source, id.Issuer)
	}
	expect(t, corpOnly, withBearer(partner.token(partnerClaims)), authz.UnknownIssuer)
	t.Run("cached for another rule", func(t *testing.T) {
		token := partner.token(partnerClaims)
		expect(t, both, withBearer(token), authz.Allowed)
		expect(t, corpOnly, withBearer(token), authz.UnknownIssuer)
	})
	t.Run("key of one, issuer of the other", func(t *testing.T) {
		expect(t, both, withBearer(partner.token(partnerClaims.with("iss", corp.url).with("aud", "api"))), authz.InvalidCredential)
	})
	t.Run("key and kid of one, issuer of the other", func(t *testing.T) {
		header := map[string]any{"alg": "ES256", "kid": corp.kid("ec")}
		expect(t, both, withBearer(partner.sign(header, mustJSON(corp.claims()))), authz.InvalidCredential)
	})
	t.Run("audience of the other", func(t *testing.T) {
		expect(t, both, withBearer(partner.token(partnerClaims.with("aud", "api"))), authz.InvalidCredential)
	})
	t.Run("at another's place", func(t *testing.T) {
		elsewhere := partner.jwt("partner")
		elsewhere.Header = "x-partner-token"
		c, err := credential.New(jwtSources(corp.jwt("corp"), elsewhere), env(corp, partner))
		if err != nil {
			t.Fatal(err)
		}
		list := c.For(c.Names())
		if len(list) != 2 {
			t.Fatalf("got %d authenticators, want one for each place", len(list))
		}
		expect(t, list[0], withBearer(partner.token(partner.claims())), authz.UnknownIssuer)
		expect(t, list[1], withBearer(partner.token(partner.claims())), "no credential")
		expect(t, list[1], request("x-partner-token", partner.token(partner.claims())), authz.Allowed)
	})
}

// Two sources of one issuer differ in what they ask for; what one verified the
// other verifies again.
func TestSameTokenTwoSources(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	cli, web := idp.jwt("cli"), idp.jwt("web")
	web.Cookie, web.Audiences = "token", []string{"web"}
	c, err := credential.New(jwtSources(cli, web), env(idp))
	if err != nil {
		t.Fatal(err)
	}
	token, list := idp.token(idp.claims()), c.For(c.Names())
	expect(t, list[0], withBearer(token), authz.Allowed)
	expect(t, list[1], request("cookie", "token="+token), authz.InvalidCredential)
}

func TestOwnAssertionsAreNoCredential(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	e := env(idp)
	e.OwnIssuer = func(iss string) bool { return iss == "orders.example.com" }
	e.OwnKey = func(kid string) bool { return kid == idp.kid("ed") } // though the issuer publishes it too
	a := only(t, e, jwtSources(idp.jwt("corp")))
	expect(t, a, withBearer(idp.token(idp.claims())), authz.Allowed)
	expect(t, a, withBearer(idp.token(idp.claims().with("iss", "orders.example.com"))), authz.InvalidCredential)
	expect(t, a, withBearer(idp.sign(map[string]any{"alg": "EdDSA", "kid": idp.kid("ed")}, mustJSON(idp.claims()))), authz.InvalidCredential)
}

func TestKeysUnavailable(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	a := only(t, env(idp), jwtSources(idp.jwt("corp")))
	r := withBearer(idp.token(idp.claims()))
	idp.failure = errors.Join(verify.ErrUnavailable)
	expect(t, a, r, authz.SourceUnavailable)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	idp.failure = ctx.Err()
	if _, err := a.Authenticate(ctx, r, &authz.Effects{}); err != context.Canceled {
		t.Errorf("got %v, want the context's error", err)
	}
}

// What is read and what is verified is the same.
func TestKeySetReadsAnotherPayload(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	idp.keys = otherPayload{idp.keys}
	id, err := authenticate(only(t, env(idp), jwtSources(idp.jwt("corp"))), withBearer(idp.token(idp.claims())))
	if got := reasonOf(id, err); !strings.HasPrefix(string(got), "error: ") {
		t.Errorf("got %s, want a fault", got)
	}
}

type otherPayload struct{ credential.KeySet }

func (o otherPayload) Verify(ctx context.Context, jws string) (verify.Signed, error) {
	signed, err := o.KeySet.Verify(ctx, jws)
	signed.Payload = append(signed.Payload, ' ')
	return signed, err
}

// What cannot be right in any case makes nobody fetch keys.
func TestGarbageAsksNoKeySet(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	a := only(t, env(idp), jwtSources(idp.jwt("corp")))
	for _, c := range []claims{idp.claims().with("exp", 1), idp.claims().with("aud", "x"), idp.claims().with("iss", "x")} {
		if _, err := authenticate(a, withBearer(idp.token(c))); err == nil {
			t.Error("accepted")
		}
	}
	if idp.asked != 0 {
		t.Errorf("the key set was asked %d times", idp.asked)
	}
}

func TestDenialsHoldNoToken(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	a := only(t, env(idp), jwtSources(idp.jwt("corp")))
	secret := "c2VjcmV0LXNlY3JldC1zZWNyZXQ"
	for _, token := range []string{
		secret, secret + "." + secret + "." + secret, idp.token(idp.claims().with("sub", secret+"\n")),
		idp.token(idp.claims().with("nonce", secret).with("aud", secret)), idp.token(idp.claims()) + secret,
	} {
		_, err := authenticate(a, withBearer(token))
		for _, part := range append(strings.Split(token, "."), secret) {
			for e := err; e != nil; e = errors.Unwrap(e) {
				if strings.Contains(e.Error(), part) {
					t.Errorf("%q holds a part of the token", e)
				}
			}
		}
	}
}
