package credential_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/credential"
)

// facts is what Envoy says about a request.
type facts struct {
	authz.NoFacts
	metadata  map[string]map[string]any
	principal string
	leaf      *x509.Certificate
	failure   error
}

func (f facts) Metadata(namespace string) (map[string]any, error) {
	return f.metadata[namespace], f.failure
}

func (f facts) Peer() (string, *x509.Certificate, error) { return f.principal, f.leaf, f.failure }

func withFacts(f facts) *authz.Request {
	r := request()
	r.Facts = f
	return r
}

func withClaims(v any) *authz.Request {
	return withFacts(facts{metadata: map[string]map[string]any{"envoy.filters.http.jwt_authn": {"payload": v}}})
}

// edgeClaims are claims as Envoy's Struct holds them: every number a float64.
func edgeClaims(more ...any) map[string]any {
	c := map[string]any{
		"iss": "https://idp.example", "aud": "api", "sub": "s", "exp": float64(now.Add(time.Hour).Unix()), "level": 7.0, "ratio": 0.5,
	}
	for i := 0; i < len(more); i += 2 {
		c[more[i].(string)] = more[i+1]
	}
	return c
}

func metadataSource(t *testing.T, ownIssuer func(string) bool) authz.Authenticator {
	e := env()
	e.OwnIssuer = ownIssuer
	return only(t, e, []credential.Source{{EnvoyMetadata: &credential.EnvoyMetadata{
		Name: "edge", Key: "payload", Issuer: "https://idp.example", Audiences: []string{"api"},
	}}})
}

func TestMetadata(t *testing.T) {
	a := metadataSource(t, nil)
	deep := any("bottom")
	for range 17 {
		deep = []any{deep}
	}
	without := edgeClaims()
	delete(without, "exp")
	for name, test := range map[string]struct {
		request *authz.Request
		want    authz.Reason
	}{
		"absent namespace":      {withFacts(facts{}), "no credential"},
		"another key":           {withFacts(facts{metadata: map[string]map[string]any{"envoy.filters.http.jwt_authn": {"x": edgeClaims()}}}), "no credential"},
		"another namespace":     {withFacts(facts{metadata: map[string]map[string]any{"x": {"payload": edgeClaims()}}}), "no credential"},
		"undecodable":           {withFacts(facts{failure: errors.New("bad Struct")}), authz.MalformedRequest},
		"string":                {withClaims("sub=s"), authz.MalformedRequest},
		"null":                  {withClaims(nil), authz.MalformedRequest},
		"list":                  {withClaims([]any{edgeClaims()}), authz.MalformedRequest},
		"good":                  {withClaims(edgeClaims()), authz.Allowed},
		"numbers as written":    {withClaims(edgeClaims("exp", json.Number("4102444800"))), authz.Allowed},
		"no expiry":             {withClaims(without), authz.Allowed},
		"another issuer":        {withClaims(edgeClaims("iss", "https://other.example")), authz.UnknownIssuer},
		"no issuer":             {withClaims(edgeClaims("iss", nil)), authz.UnknownIssuer},
		"another audience":      {withClaims(edgeClaims("aud", "billing")), authz.InvalidCredential},
		"audiences":             {withClaims(edgeClaims("aud", []any{"billing", "api"})), authz.Allowed},
		"over":                  {withClaims(edgeClaims("exp", float64(now.Unix()))), authz.ExpiredCredential},
		"expiry as string":      {withClaims(edgeClaims("exp", "never")), authz.InvalidCredential},
		"no subject":            {withClaims(edgeClaims("sub", "")), authz.InvalidCredential},
		"nested too deep":       {withClaims(edgeClaims("a", deep)), authz.InvalidCredential},
		"too many elements":     {withClaims(edgeClaims("a", make([]any, 1e6))), authz.InvalidCredential},
		"too much text":         {withClaims(edgeClaims("a", strings.Repeat("x", credential.MaxTokenBytes))), authz.InvalidCredential},
		"not a number":          {withClaims(edgeClaims("a", math.NaN())), authz.InvalidCredential},
		"not JSON":              {withClaims(edgeClaims("a", make(chan int))), authz.InvalidCredential},
		"subject is not UTF-8":  {withClaims(edgeClaims("sub", "a\xff")), authz.InvalidCredential},
		"subject of the source": {withClaims(edgeClaims("sub", "edge/s")), authz.Allowed},
	} {
		t.Run(name, func(t *testing.T) { expect(t, a, test.request, test.want) })
	}
}

// Sources that read one key are told apart by their issuers, as the rule admits
// them.
func TestMetadataOfSeveralIssuers(t *testing.T) {
	one := &credential.EnvoyMetadata{Name: "one", Key: "payload", Issuer: "https://one.example", Audiences: []string{"api"}}
	two := &credential.EnvoyMetadata{Name: "two", Key: "payload", Issuer: "https://two.example", Audiences: []string{"api"}}
	sources := []credential.Source{{EnvoyMetadata: one}, {EnvoyMetadata: two}}
	r := withClaims(edgeClaims("iss", two.Issuer))
	if id := expect(t, only(t, env(), sources), r, authz.Allowed); id.Source != "two" {
		t.Errorf("identity is the word of %s", id.Source)
	}
	expect(t, only(t, env(), sources, "one"), r, authz.UnknownIssuer)
}

// The identity is a copy: what Envoy sent lives in the transport's buffer.
func TestMetadataIsCopied(t *testing.T) {
	inner := map[string]any{"a": []any{"b"}}
	id := expect(t, metadataSource(t, nil), withClaims(edgeClaims("inner", inner)), authz.Allowed)
	inner["a"].([]any)[0] = "changed"
	if got := id.Claims["inner"].(map[string]any)["a"].([]any)[0]; got != "b" {
		t.Errorf("the identity changed to %q with the request", got)
	}
	if id.Claims["level"] != json.Number("7") || id.Claims["ratio"] != json.Number("0.5") {
		t.Errorf("numbers are %v and %v", id.Claims["level"], id.Claims["ratio"])
	}
}

// The host of a rule can be an issuer that is ours: known only when rules are.
func TestMetadataOfOwnIssuer(t *testing.T) {
	ours := false
	a := metadataSource(t, func(string) bool { return ours })
	expect(t, a, withClaims(edgeClaims()), authz.Allowed)
	ours = true
	expect(t, a, withClaims(edgeClaims()), authz.InvalidCredential)
}
