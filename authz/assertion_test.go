package authz

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
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
	cache := newReuse(1 << 20)
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

// TestWholeAssertionIsGolden: header, claims and signature, byte for byte.
func TestWholeAssertionIsGolden(t *testing.T) {
	golden, err := os.ReadFile("testdata/assertion.jws")
	if err != nil {
		t.Fatal(err)
	}
	d := newAuthorizer(t, Options{Policy: only(signing())}).Authorize(t.Context(), request(t, "/", nil))
	if got := d.Grant().Set()[0].Value; got != strings.TrimSpace(string(golden)) {
		t.Errorf("the assertion is\n%s", got)
	}
	public := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)).Public().(ed25519.PublicKey)
	parts := strings.Split(strings.TrimSpace(string(golden)), ".")
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !ed25519.Verify(public, []byte(parts[0]+"."+parts[1]), signature) {
		t.Error("the golden assertion does not verify")
	}
}

// TestTextIsEscapedOrRefused: every text of the assertion that a source can
// choose. What is not UTF-8 is refused, because verifiers would replace it, each
// in its own way.
func TestTextIsEscapedOrRefused(t *testing.T) {
	for field, set := range map[string]func(*Identity, string){
		"sub":   func(id *Identity, s string) { id.Subject = s },
		"email": func(id *Identity, s string) { id.Email = s },
		"name":  func(id *Identity, s string) { id.Name = s },
		"sid":   func(id *Identity, s string) { id.Session = s },
	} {
		evil := "a\",\"groups\":[\"admin\"],\"x\":\"\\\n\x00\x7f<\u2028é"
		claims, d := said(t, Options{}, signing(), alice(func(id *Identity) { set(id, evil) }))
		if claims[field] != evil || fmt.Sprint(claims["groups"]) != "[staff]" {
			t.Errorf("%s: %v %+v", field, claims, d.Record)
		}
		if claims, d := said(t, Options{}, signing(), alice(func(id *Identity) { set(id, "a\xff") })); claims != nil || d.Record.Reason != UnsafeClaim {
			t.Errorf("%s that is not UTF-8: %v", field, claims)
		}
	}
	if claims, d := said(t, Options{}, signing(), alice(func(id *Identity) { id.Groups = []string{"a", "\xff"} })); claims != nil || d.Record.Reason != UnsafeClaim {
		t.Errorf("a group that is not UTF-8: %v", claims)
	}
}

// TestNoMemberTwice: parsers disagree about which of two members counts, and some
// refuse both.
func TestNoMemberTwice(t *testing.T) {
	_, err := New(Options{Policy: only(nil), Signer: edSigner{"k"}, Assertion: AssertionOptions{Claims: []string{"acr", "amr", "acr"}}})
	var option *OptionError
	if !errors.As(err, &option) || option.OptionPath() != "claims[2]" {
		t.Errorf("a claim listed twice: %v", err)
	}
	rule := judgedBy(func(context.Context, *Request, *Identity) (Extra, error) {
		return Extra{Claims: []Claim{{"acr", "the judge's"}}}, nil
	})
	rule.Authenticate = []Authenticator{as(alice(func(id *Identity) { id.Claims = map[string]any{"acr": "the source's"} }))}
	d := newAuthorizer(t, Options{Policy: only(rule), Assertion: AssertionOptions{Claims: []string{"acr"}}}).Authorize(t.Context(), request(t, "/", nil))
	if text := payload(t, d.Grant().Set()[0].Value); strings.Count(text, `"acr"`) != 1 || !strings.Contains(text, `"acr":"the judge's"`) {
		t.Errorf("a claim of both judge and source: %s", text)
	}
}

// TestClaimHeadersHaveOneSpelling: an application that reads '_' as '-' would see
// two headers of ours under one name.
func TestClaimHeadersHaveOneSpelling(t *testing.T) {
	_, err := New(Options{Policy: only(nil), Signer: edSigner{"k"}, Assertion: AssertionOptions{ClaimHeaders: map[string]string{"x-user": "sub", "x_user": "email"}}})
	var option *OptionError
	if !errors.As(err, &option) || !strings.HasPrefix(option.OptionPath(), "claim_headers.x") {
		t.Errorf("%v", err)
	}
}

// TestClaimHeadersOfOurOwnClaims: the header says what the assertion says, the
// qualified subject and the filtered groups too.
func TestClaimHeadersOfOurOwnClaims(t *testing.T) {
	rule := signing(as(alice(func(id *Identity) {
		id.Source, id.Session, id.Name, id.Groups = "mesh", "s1", "Doe, Jane", []string{"staff", "secret"}
	})))
	rule.Sources, rule.Primary = []string{"corp", "mesh"}, "corp"
	o := Options{Policy: only(rule), Assertion: AssertionOptions{GroupsFilter: []string{"staff"}, ClaimHeaders: map[string]string{
		"x-sub": "sub", "x-user": "user", "x-email": "email", "x-name": "name", "x-sid": "sid", "x-idp": "idp", "x-groups": "groups",
	}}}
	d := newAuthorizer(t, o).Authorize(t.Context(), request(t, "/", nil))
	got := map[string]string{}
	for _, f := range d.Grant().Set()[1:] {
		got[f.Name] = f.Value
	}
	want := map[string]string{
		"x-sub": "mesh/alice", "x-user": "mesh/alice", "x-email": "alice@corp.example", "x-name": "Doe, Jane", "x-sid": "s1", "x-idp": "mesh", "x-groups": "staff",
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// TestDroppedGroupsAreDroppedEverywhere: a header must not say what the assertion
// had to leave out.
func TestDroppedGroupsAreDroppedEverywhere(t *testing.T) {
	many := alice(func(id *Identity) {
		for i := range 200 {
			id.Groups = append(id.Groups, fmt.Sprintf("0e3d1f3a-7f0e-4c59-9a53-%012d", i))
		}
	})
	_, d := said(t, Options{Assertion: AssertionOptions{OnOverflow: "drop_groups", ClaimHeaders: map[string]string{"x-groups": "groups"}}}, signing(), many)
	if !slices.Contains(d.Grant().Remove(), "x-groups") {
		t.Errorf("set %v", d.Grant().Set())
	}
}

// TestReuseSharesOneName: the jti of a reused assertion is the first one's, and
// the decision has a name of its own.
func TestReuseSharesOneName(t *testing.T) {
	now := noon
	rule := signing()
	rule.TTL = 20 * time.Second
	a := newAuthorizer(t, Options{
		Policy: only(rule), Now: func() time.Time { return now }, Rand: rand.Reader,
		Assertion: AssertionOptions{Reuse: 2 * time.Minute},
	})
	ask := func() Decision { t.Helper(); return a.Authorize(t.Context(), request(t, "/", nil)) }
	first := ask()
	now = noon.Add(10*time.Second - 1)
	second := ask()
	if second.Record.ID == first.Record.ID || second.Record.JWTID != first.Record.ID || second.Record.Expires != first.Record.Expires {
		t.Errorf("first %+v\nsecond %+v", first.Record, second.Record)
	}
	now = noon.Add(10 * time.Second) // half of the rule's ttl, though reuse says two minutes
	if third := ask(); third.Record.JWTID != third.Record.ID {
		t.Error("reused for more than half of its life")
	}
}

// TestReuseIsPerAudienceAndHost: what a client can vary between two requests to
// one rule.
func TestReuseIsPerAudienceAndHost(t *testing.T) {
	made := 0
	rule := signing()
	rule.Audience = ""
	a := newAuthorizer(t, Options{Policy: only(rule), Signer: counting{edSigner{"k"}, &made}, Assertion: AssertionOptions{Reuse: time.Minute}})
	for _, host := range []string{"a.example", "b.example", "a.example"} {
		r, denial := NewRequest("GET", "https", host, "/")
		if denial != nil {
			t.Fatal(denial)
		}
		d := a.Authorize(t.Context(), r)
		if text := payload(t, d.Grant().Set()[0].Value); !strings.Contains(text, `"aud":"`+host+`"`) {
			t.Errorf("%s: %s", host, text)
		}
	}
	if made != 2 {
		t.Errorf("%d assertions for two hosts", made)
	}
}

// TestEveryMistakeIsReported, not the first alone.
func TestEveryMistakeIsReported(t *testing.T) {
	_, err := New(Options{Policy: only(nil), Signer: edSigner{"k"}, Assertion: AssertionOptions{TTL: time.Second, MaxBytes: 1, OnOverflow: "x"}})
	for _, path := range []string{"ttl: ", "max_bytes: ", "on_overflow: "} {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s is not in: %v", path, err)
		}
	}
	for name, o := range map[string]Options{"no policy": {Signer: edSigner{"k"}}, "no signer": {Policy: only(nil)}} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestReuseIsPerLife: two rules may differ in nothing but how long they vouch.
func TestReuseIsPerLife(t *testing.T) {
	made := 0
	cache := newReuse(1 << 20)
	for _, ttl := range []time.Duration{time.Minute, 2 * time.Minute, time.Minute} {
		rule := signing()
		rule.TTL = ttl
		a := newAuthorizer(t, Options{Policy: only(rule), Signer: counting{edSigner{"k"}, &made}, Assertion: AssertionOptions{Reuse: time.Second}})
		a.reuse = cache
		if d := a.Authorize(t.Context(), request(t, "/", nil)); d.Record.Expires != noon.Add(ttl).Truncate(time.Second) {
			t.Errorf("%v: until %v", ttl, d.Record.Expires)
		}
	}
	if made != 2 {
		t.Errorf("%d assertions for two lives", made)
	}
}
