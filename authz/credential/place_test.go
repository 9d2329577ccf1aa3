package credential_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"privyseal/authz"
)

func TestPlaces(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	both := idp.jwt("both")
	both.Header, both.Cookie = "authorization", "token"
	assertion := idp.jwt("iap")
	assertion.Header = "x-goog-iap-jwt-assertion"
	e := env(idp)
	standard, bare := only(t, e, jwtSources(both)), only(t, e, jwtSources(assertion))
	token := idp.token(idp.claims())
	for name, test := range map[string]struct {
		place   authz.Authenticator
		request *authz.Request
		want    authz.Reason
	}{
		"nothing":                     {standard, request(), "no credential"},
		"Bearer":                      {standard, request("authorization", "Bearer "+token), authz.Allowed},
		"scheme without case":         {standard, request("authorization", "bEARER "+token), authz.Allowed},
		"more spaces":                 {standard, request("authorization", " Bearer   "+token+" "), authz.Allowed},
		"empty header":                {standard, request("authorization", ""), "no credential"},
		"Basic":                       {standard, request("authorization", "Basic YTpi"), "no credential"},
		"Negotiate":                   {standard, request("authorization", "Negotiate "+token), "no credential"},
		"Digest with commas":          {standard, request("authorization", `Digest username="a", realm="b"`), "no credential"},
		"another scheme, same start":  {standard, request("authorization", "BearerX "+token), "no credential"},
		"no scheme":                   {standard, request("authorization", token), "no credential"},
		"Bearer without token":        {standard, request("authorization", "Bearer"), authz.InvalidCredential},
		"Bearer and a space":          {standard, request("authorization", "Bearer "), authz.InvalidCredential},
		"Bearer and an opaque token":  {standard, request("authorization", "Bearer abc"), authz.InvalidCredential},
		"Bearer twice":                {standard, request("authorization", "Bearer Bearer "+token), authz.InvalidCredential},
		"two tokens in one":           {standard, request("authorization", "Bearer "+token+" "+token), authz.InvalidCredential},
		"repeated":                    {standard, request("authorization", "Bearer "+token, "authorization", "Bearer "+token), authz.MalformedRequest},
		"repeated, one of them Basic": {standard, request("authorization", "Basic YTpi", "authorization", "Bearer "+token), authz.MalformedRequest},
		"repeated, joined by Envoy":   {standard, request("authorization", "Bearer "+token+",Bearer "+token), authz.MalformedRequest},
		"repeated, the first empty":   {standard, request("authorization", "Bearer,Bearer "+token), authz.MalformedRequest},
		"cookie":                      {standard, request("cookie", "a=1; token="+token+"; b=2"), authz.Allowed},
		"cookie in quotes":            {standard, request("cookie", `token="`+token+`"`), authz.Allowed},
		"another cookie":              {standard, request("cookie", "Token="+token), "no credential"},
		"empty cookie":                {standard, request("cookie", "token="), "no credential"},
		"bad cookie":                  {standard, request("cookie", "token=x"), authz.InvalidCredential},
		"cookie twice":                {standard, request("cookie", "token="+token+"; token="+token), authz.MalformedRequest},
		"cookie in two lines":         {standard, request("cookie", "token="+token, "cookie", "token="+token), authz.MalformedRequest},
		"cookies joined by Envoy":     {standard, request("cookie", "token="+token+",token="+token), authz.MalformedRequest},
		"header and cookie":           {standard, request("authorization", "Bearer "+token, "cookie", "token="+token), authz.MalformedRequest},
		"bad header and good cookie":  {standard, request("authorization", "Bearer x", "cookie", "token="+token), authz.MalformedRequest},
		"Basic and cookie":            {standard, request("authorization", "Basic YTpi", "cookie", "token="+token), authz.Allowed},
		"bare":                        {bare, request("x-goog-iap-jwt-assertion", token), authz.Allowed},
		"bare place, Bearer":          {bare, request("x-goog-iap-jwt-assertion", "Bearer "+token), authz.Allowed},
		"bare place, another scheme":  {bare, request("x-goog-iap-jwt-assertion", "Basic YTpi"), authz.InvalidCredential},
		"bare place, joined":          {bare, request("x-goog-iap-jwt-assertion", token+","+token), authz.MalformedRequest},
		"bare place, repeated":        {bare, request("x-goog-iap-jwt-assertion", token, "x-goog-iap-jwt-assertion", token), authz.MalformedRequest},
		"bare place, authorization":   {bare, request("authorization", "Bearer "+token), "no credential"},
	} {
		t.Run(name, func(t *testing.T) { expect(t, test.place, test.request, test.want) })
	}
}

// passThrough is a policy of one rule that allows whoever is known.
type passThrough struct{ rule authz.Rule }

func (p *passThrough) Match(*authz.Request) (*authz.Rule, *authz.Denial) { return &p.rule, nil }
func (p *passThrough) Judge(context.Context, *authz.Request, *authz.Identity) (authz.Extra, error) {
	return authz.Extra{}, nil
}
func (p *passThrough) KeyID() string { return "k" }
func (p *passThrough) Sign(context.Context, []byte) (string, string, error) {
	return "signed", "k", nil
}

// decide runs a request through a whole authorizer.
func decide(t *testing.T, a authz.Authenticator, r *authz.Request) authz.Decision {
	t.Helper()
	p := &passThrough{}
	p.rule = authz.Rule{Name: "rule", Authenticate: []authz.Authenticator{a}, Judge: p, Audience: "api", TTL: authz.DefaultTTL}
	authorizer, err := authz.New(authz.Options{Policy: p, Signer: p})
	if err != nil {
		t.Fatal(err)
	}
	return authorizer.Authorize(context.Background(), r)
}

func TestTheCredentialIsHidden(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	token := idp.token(idp.claims().with("exp", 4102444800)) // the authorizer asks the real clock
	for name, test := range map[string]struct {
		forward    bool
		request    *authz.Request
		wantHeader bool   // is left to the application
		wantCookie string // what is left, "" if it is not touched
	}{
		"header":           {false, request("authorization", "Bearer "+token, "cookie", "a=1"), false, ""},
		"header, forward":  {true, request("authorization", "Bearer "+token, "cookie", "a=1"), true, ""},
		"cookie":           {false, request("cookie", "a=1; token="+token, "authorization", "Basic x"), true, "a=1"},
		"cookie, forward":  {true, request("cookie", "a=1; token="+token), true, ""},
		"cookie, replaced": {false, request("cookie", "b=2; token="+token+"; c=3"), true, "b=2; c=3"},
	} {
		t.Run(name, func(t *testing.T) {
			o := idp.jwt("corp")
			o.Header, o.Cookie, o.Forward = "authorization", "token", test.forward
			decision := decide(t, only(t, env(idp), jwtSources(o)), test.request)
			grant := decision.Grant()
			if grant == nil {
				t.Fatalf("no grant: %+v", decision.Record)
			}
			if left := !slices.Contains(grant.Remove(), "authorization"); left != test.wantHeader {
				t.Errorf("authorization left: %v, want %v", left, test.wantHeader)
			}
			got := ""
			for _, field := range grant.Set() {
				if field.Name == "cookie" {
					got = field.Value
				}
			}
			if got != test.wantCookie {
				t.Errorf("cookie is set to %q, want %q", got, test.wantCookie)
			}
		})
	}
}

func TestChallenges(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	a := only(t, env(idp), jwtSources(idp.jwt("corp")))
	for name, test := range map[string]struct{ token, want string }{
		"none":    {"", `Bearer realm="orders.example.com"`},
		"invalid": {"abc", `Bearer realm="orders.example.com", error="invalid_token", error_description="the credential is not a token that can be read"`},
		"expired": {idp.token(idp.claims().with("exp", 1)), `Bearer realm="orders.example.com", error="invalid_token", error_description="the credential has expired"`},
		"foreign": {idp.token(idp.claims().with("iss", "x")), `Bearer realm="orders.example.com", error="invalid_token", error_description="no source of this rule has the token's issuer"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			if test.token != "" {
				r = withBearer(test.token)
			}
			decision := decide(t, a, r)
			if reply := decision.Reply(); reply.Status != 401 || !slices.Equal(reply.Challenges, []string{test.want}) {
				t.Errorf("got %d %q\nwant 401 %q", reply.Status, reply.Challenges, test.want)
			}
		})
	}
}

func TestChallengeText(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	challenger := only(t, env(idp), jwtSources(idp.jwt("corp"))).(authz.Challenger)
	for name, test := range map[string]struct {
		denial *authz.Denial
		want   string
	}{
		"step up": {
			&authz.Denial{Reason: authz.NotAllowed, StepUp: &authz.StepUp{ACR: []string{"gold", "silver"}, MaxAge: 5 * 60e9}},
			`Bearer realm="orders.example.com", error="insufficient_user_authentication", error_description="a stronger or more recent login is required", acr_values="gold silver", max_age="300"`,
		},
		"step up without age": {
			&authz.Denial{Reason: authz.NotAllowed, StepUp: &authz.StepUp{ACR: []string{"gold"}}},
			`Bearer realm="orders.example.com", error="insufficient_user_authentication", error_description="a stronger or more recent login is required", acr_values="gold"`,
		},
		"nothing breaks out": {
			&authz.Denial{Reason: authz.InvalidCredential, Detail: "a\", b=\"c\\\r\nü" + strings.Repeat("x", 300)},
			`Bearer realm="orders.example.com", error="invalid_token", error_description="a?, b=?c????` + strings.Repeat("x", 187) + `"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			reply, err := challenger.Challenge(context.Background(), request(), test.denial, &authz.Effects{})
			if err != nil || reply == nil || reply.Status != 401 || !slices.Equal(reply.Challenges, []string{test.want}) {
				t.Errorf("got %+v, %v\nwant %q", reply, err, test.want)
			}
		})
	}
}

// A place that clients do not know by themselves has no scheme to name.
func TestNoChallengeElsewhere(t *testing.T) {
	idp := newIssuer(t, "https://idp.example")
	for _, o := range []*struct{ header, cookie string }{{"x-token", ""}, {"", "token"}} {
		source := idp.jwt("corp")
		source.Header, source.Cookie = o.header, o.cookie
		challenger := only(t, env(idp), jwtSources(source)).(authz.Challenger)
		reply, err := challenger.Challenge(context.Background(), request(), &authz.Denial{Reason: authz.Unauthenticated}, &authz.Effects{})
		if reply != nil || err != nil {
			t.Errorf("%+v: got %+v, %v, want nil", o, reply, err)
		}
	}
}
