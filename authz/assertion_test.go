package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAssertionIsGolden: with a clock that stands still and Ed25519, whose
// signatures are deterministic, the whole assertion is known beforehand.
func TestAssertionIsGolden(t *testing.T) {
	d := newAuthorizer(t, Options{Policy: only(signing())}).Authorize(t.Context(), request(t, "/", nil))
	got := payload(t, d.Grant().Set()[0].Value)
	want := `{"iss":"app.example","aud":"app","sub":"alice","user":"alice","email":"alice@corp.example","name":"Alice","sid":"","idp":"corp",` +
		`"groups":["staff"],"iat":1795435190,"exp":1795435260,"jti":"AAAAAAAAAAAAAAAAAAAAAA"}`
	if got != want {
		t.Errorf("payload:\n%s\nwant:\n%s", got, want)
	}
}

// said returns the claims of a grant made for an identity.
func said(t *testing.T, o Options, rule *Rule, id *Identity) (map[string]any, *Decision) {
	t.Helper()
	rule.Authenticate = []Authenticator{as(id)}
	o.Policy = only(rule)
	d := newAuthorizer(t, o).Authorize(t.Context(), request(t, "/", nil))
	if d.Grant() == nil {
		return nil, &d
	}
	var claims map[string]any
	decoder := json.NewDecoder(strings.NewReader(payload(t, d.Grant().Set()[0].Value)))
	decoder.UseNumber()
	if err := decoder.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims, &d
}

func TestClaimsOfTheMoment(t *testing.T) {
	for name, c := range map[string]struct {
		expires time.Time
		exp     int64
	}{
		"the rule's life":      {time.Time{}, noon.Unix() + 60},
		"a longer credential":  {noon.Add(time.Hour), noon.Unix() + 60},
		"a shorter credential": {noon.Add(20 * time.Second), noon.Unix() + 20},
		"ends within a second": {noon.Add(100 * time.Millisecond), noon.Unix()},
	} {
		claims, _ := said(t, Options{}, signing(), alice(func(id *Identity) { id.Expires = c.expires }))
		if claims["exp"] != json.Number(fmt.Sprint(c.exp)) || claims["iat"] != json.Number(fmt.Sprint(noon.Unix()-10)) {
			t.Errorf("%s: iat %v, exp %v", name, claims["iat"], claims["exp"])
		}
		if _, ok := claims["nbf"]; ok {
			t.Error("has nbf")
		}
	}
}

func TestGroupsAreNeverNull(t *testing.T) {
	for _, groups := range [][]string{nil, {}} {
		claims, _ := said(t, Options{}, signing(), alice(func(id *Identity) { id.Groups = groups }))
		if list, ok := claims["groups"].([]any); !ok || len(list) != 0 {
			t.Errorf("groups: %v", claims["groups"])
		}
	}
}

func TestSubjectIsItsSources(t *testing.T) {
	for name, c := range map[string]struct {
		sources       []string
		source, given string
		want          string
	}{
		"one source":                 {[]string{"corp"}, "corp", "alice", "alice"},
		"several":                    {[]string{"corp", "mesh"}, "mesh", "alice", "mesh/alice"},
		"the primary of several":     {[]string{"corp", "mesh"}, "corp", "alice", "alice"},
		"primary that looks like it": {[]string{"corp", "mesh"}, "corp", "mesh/alice", ""},
		"primary, its own name":      {[]string{"corp", "mesh"}, "corp", "corp/alice", ""},
		"primary, another slash":     {[]string{"corp", "mesh"}, "corp", "other/alice", "other/alice"},
	} {
		rule := signing()
		rule.Sources, rule.Primary = c.sources, "corp"
		claims, d := said(t, Options{}, rule, alice(func(id *Identity) { id.Source, id.Subject = c.source, c.given }))
		switch {
		case c.want == "" && (claims != nil || d.Record.Reason != UnsafeClaim):
			t.Errorf("%s: %v", name, claims)
		case c.want != "" && (claims["sub"] != c.want || claims["user"] != c.want || claims["idp"] != c.source):
			t.Errorf("%s: %v", name, claims)
		}
	}
}

func TestIssuerForms(t *testing.T) {
	for issuer, want := range map[string]string{
		"": "app.example", "host": "app.example", "uri": "https://app.example/", "uri-bare": "https://app.example",
		"https://id.example/x": "https://id.example/x", "http://localhost:8080": "http://localhost:8080",
	} {
		parsed, err := ParseIssuer(issuer)
		if err != nil {
			t.Fatal(err)
		}
		if claims, _ := said(t, Options{Issuer: parsed}, signing(), alice()); claims["iss"] != want {
			t.Errorf("%q: %v", issuer, claims["iss"])
		}
	}
	for _, bad := range []string{"hosts", "http://app.example", "ftp://x", "https://", "https://u@x", "https://x?q", "https://x#f", "//x"} {
		if _, err := ParseIssuer(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	if got := Issuer("uri").For("2001:db8::1"); got != "https://[2001:db8::1]/" {
		t.Errorf("IPv6: %s", got)
	}
}

// route is the facts of a request on a route with context extensions.
type route struct {
	NoFacts
	extensions map[string]string
}

func (r route) Extension(key string) string { return r.extensions[key] }

func TestAudience(t *testing.T) {
	for name, c := range map[string]struct {
		edit  func(*Rule)
		facts map[string]string
		want  string
	}{
		"the rule's":         {func(*Rule) {}, map[string]string{"audience": "evil"}, "app"},
		"the host":           {func(r *Rule) { r.Audience = "" }, map[string]string{"audience": "evil"}, "app.example"},
		"the route's":        {func(r *Rule) { r.Audience, r.AudienceFrom = "", AudienceContext }, map[string]string{"audience": "orders"}, "orders"},
		"the route has none": {func(r *Rule) { r.Audience, r.AudienceFrom = "", AudienceContext }, nil, ""},
	} {
		rule := signing()
		c.edit(rule)
		r := request(t, "/", nil)
		r.Facts = route{extensions: c.facts}
		d := newAuthorizer(t, Options{Policy: only(rule)}).Authorize(t.Context(), r)
		if d.Record.Audience != c.want || (c.want == "") != (d.Record.Reason == NoAudience) {
			t.Errorf("%s: %+v", name, d.Record)
		}
	}
}

func TestOversizeIsNeverSilent(t *testing.T) {
	many := alice(func(id *Identity) {
		for i := range 200 {
			id.Groups = append(id.Groups, fmt.Sprintf("0e3d1f3a-7f0e-4c59-9a53-%012d", i))
		}
	})
	claims, d := said(t, Options{}, signing(), many)
	if claims != nil || d.Record.Reason != AssertionTooLarge {
		t.Errorf("deny: %+v", d.Record)
	}
	claims, d = said(t, Options{Assertion: AssertionOptions{OnOverflow: "drop_groups"}}, signing(), many)
	if list, ok := claims["groups"].([]any); !ok || len(list) != 0 || claims["groups_overage"] != true || d.Record.GroupsDropped != 201 {
		t.Errorf("drop_groups: %v %+v", claims, d.Record)
	}
	if _, d := said(t, Options{Assertion: AssertionOptions{OnOverflow: "drop_groups", MaxBytes: minMaxBytes}}, signing(),
		alice(func(id *Identity) { id.Name = strings.Repeat("n", 2000) })); d.Record.Reason != AssertionTooLarge {
		t.Errorf("too large without groups: %+v", d.Record)
	}
}

func TestGroupsFilter(t *testing.T) {
	id := alice(func(id *Identity) { id.Groups = []string{"staff", "team-a", "team-b", "Staff", "x-team-a"} })
	claims, _ := said(t, Options{Assertion: AssertionOptions{GroupsFilter: []string{"staff", "team-*"}}}, signing(), id)
	if got := fmt.Sprint(claims["groups"]); got != "[staff team-a team-b]" {
		t.Error(got)
	}
}

func TestClaimHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		value  any
		want   string
		reason Reason
	}{
		"text":                {"blue", "blue", Allowed},
		"not ASCII":           {"Zoë 100%", "Zo%C3%AB 100%25", Allowed},
		"spaces at the ends":  {" a b ", "%20a b%20", Allowed},
		"list":                {[]any{"a", "b"}, "a,b", Allowed},
		"truth":               {true, "true", Allowed},
		"number":              {json.Number("1683061093"), "1683061093", Allowed},
		"missing":             {nil, "", Allowed},
		"line break":          {"a\r\nx-admin: 1", "", UnsafeClaim},
		"NUL":                 {"a\x00", "", UnsafeClaim},
		"element with comma":  {[]any{"a,b"}, "", UnsafeClaim},
		"empty element":       {[]any{""}, "", UnsafeClaim},
		"list of numbers":     {[]any{json.Number("1")}, "", UnsafeClaim},
		"object":              {map[string]any{"a": "b"}, "", UnsafeClaim},
		"longer than allowed": {strings.Repeat("x", DefaultMaxBytes+1), "", UnsafeClaim},
	} {
		id := alice(func(id *Identity) { id.Claims = map[string]any{"color": c.value} })
		_, d := said(t, Options{Assertion: AssertionOptions{ClaimHeaders: map[string]string{"x-color": "color"}}}, signing(), id)
		if d.Record.Reason != c.reason {
			t.Errorf("%s: %+v", name, d.Record)
			continue
		}
		if g := d.Grant(); g != nil {
			i := slices.IndexFunc(g.Set(), func(f Field) bool { return f.Name == "x-color" })
			if (i >= 0) != (c.want != "") || i >= 0 && g.Set()[i].Value != c.want {
				t.Errorf("%s: %v", name, g.Set())
			}
			if (i < 0) != slices.Contains(g.Remove(), "x-color") {
				t.Errorf("%s: neither set nor removed, or both", name)
			}
		}
	}
}

func TestClaimNames(t *testing.T) {
	for _, name := range []string{
		"", `x":0,"admin`, "1x", "a b", "a,b", "ü", strings.Repeat("x", 65),
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "user", "email", "groups", "name", "sid", "idp", "cnf", "act", "_claim_names", "req",
	} {
		if ValidClaimName(name) == nil {
			t.Errorf("%q may be passed on", name)
		}
	}
	for _, name := range []string{"acr", "preferred_username", "https://x.example/roles", "a.b-c"} {
		if err := ValidClaimName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestFurtherClaims(t *testing.T) {
	o := Options{Assertion: AssertionOptions{Claims: []string{"acr", "roles", "absent"}}}
	claims, _ := said(t, o, signing(), alice(func(id *Identity) {
		id.Claims = map[string]any{"acr": "mfa", "roles": []any{"a", map[string]any{"b": json.Number("1.5")}}, "other": "x"}
	}))
	if claims["acr"] != "mfa" || fmt.Sprint(claims["roles"]) != "[a map[b:1.5]]" || claims["other"] != nil {
		t.Errorf("%v", claims)
	}
	if _, ok := claims["absent"]; ok {
		t.Error("an absent claim is present")
	}
	for name, bad := range map[string]any{
		"not UTF-8": "\xff", "an object as a number": json.Number(`{"admin":true}`), "a broken number": json.Number("1 2"), "a Go value": struct{}{},
		"deep": func() any {
			var v any = "x"
			for range maxClaimDepth + 2 {
				v = []any{v}
			}
			return v
		}(),
		"wide": make([]any, maxClaimElements+1),
	} {
		if _, d := said(t, o, signing(), alice(func(id *Identity) { id.Claims = map[string]any{"acr": bad} })); d.Record.Reason != UnsafeClaim {
			t.Errorf("%s: %+v", name, d.Record)
		}
	}
}

func TestJudgesClaims(t *testing.T) {
	rule := judgedBy(func(context.Context, *Request, *Identity) (Extra, error) {
		return Extra{Claims: []Claim{{"tier", "gold"}}}, nil
	})
	if claims, _ := said(t, Options{}, rule, alice()); claims["tier"] != "gold" {
		t.Errorf("%v", claims)
	}
}

func TestAssertionOptions(t *testing.T) {
	for path, o := range map[string]AssertionOptions{
		"header":                                 {Header: "Content-Length"},
		"ttl":                                    {TTL: time.Second},
		"reuse":                                  {Reuse: 3 * time.Minute},
		"claims[1]":                              {Claims: []string{"acr", "exp"}},
		"claim_headers.host":                     {ClaimHeaders: map[string]string{"host": "sub"}},
		"claim_headers.x-a":                      {ClaimHeaders: map[string]string{"x-a": "exp"}},
		"claim_headers.x_pomerium-jwt-assertion": {ClaimHeaders: map[string]string{"x_pomerium-jwt-assertion": "sub"}},
		"groups_filter[0]":                       {GroupsFilter: []string{""}},
		"groups_filter[1]":                       {GroupsFilter: []string{"a", "b*c"}},
		"max_bytes":                              {MaxBytes: 100},
		"on_overflow":                            {OnOverflow: "truncate"},
	} {
		_, err := New(Options{Policy: only(nil), Signer: edSigner{"k"}, Assertion: o})
		var option *OptionError
		if !errors.As(err, &option) || option.OptionPath() != path {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// counting is a signer that counts.
type counting struct {
	edSigner
	made *int
}

func (c counting) Sign(ctx context.Context, p []byte) (string, string, error) {
	*c.made++
	return c.edSigner.Sign(ctx, p)
}

// TestReuse: requests that differ in anything but the moment never share.
func TestReuse(t *testing.T) {
	now := noon
	made := 0
	cache := NewCache[signed](1 << 20)
	ask := func(kid string, edit func(*Identity), rule *Rule) string {
		t.Helper()
		rule.Authenticate = []Authenticator{as(alice(edit))}
		a := newAuthorizer(t, Options{
			Policy: only(rule), Now: func() time.Time { return now }, Assertion: AssertionOptions{Reuse: 30 * time.Second},
			Signer: counting{edSigner{kid}, &made},
		})
		a.reuse = cache // so that keys and rules can differ under one cache
		d := a.Authorize(t.Context(), request(t, "/", nil))
		if d.Grant() == nil {
			t.Fatalf("%+v", d.Record)
		}
		return d.Grant().Set()[0].Value
	}
	nobody := func(*Identity) {}
	first := ask("k", nobody, signing())
	if again := ask("k", nobody, signing()); again != first || made != 1 {
		t.Errorf("not reused: %d made", made)
	}
	for name, edit := range map[string]func(*Identity){
		"another subject": func(id *Identity) { id.Subject = "bob" },
		"another group":   func(id *Identity) { id.Groups = []string{"admins"} },
		"another end":     func(id *Identity) { id.Expires = noon.Add(5 * time.Second) },
	} {
		before := made
		if ask("k", edit, signing()); made != before+1 {
			t.Errorf("%s: reused", name)
		}
	}
	other := signing()
	other.Name = "other"
	before := made
	if ask("k", nobody, other); made != before+1 {
		t.Error("another rule: reused")
	}
	if ask("k2", nobody, signing()); made != before+2 {
		t.Error("another key: reused")
	}
	now = now.Add(30 * time.Second)
	if before := made; ask("k", nobody, signing()) == first || made != before+1 {
		t.Error("reused for longer than it may be")
	}
}
