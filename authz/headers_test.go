package authz

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// TestNothingAClientSendsSurvivesAsOurs: each spelling of each name of ours is
// set or removed by every grant, seen or not, and nothing is both.
func TestNothingAClientSendsSurvivesAsOurs(t *testing.T) {
	o := Options{Assertion: AssertionOptions{ClaimHeaders: map[string]string{"x-user": "sub", "x-user-shoe-size": "shoe"}}}
	for name, rule := range map[string]*Rule{"signed": signing(), "public": {Name: "p", Public: true}} {
		o.Policy = only(rule)
		for seen, headers := range map[string]HeaderMap{
			"nothing": nil,
			"forged": {
				"x-pomerium-jwt-assertion": {"f"}, "x_pomerium_jwt_assertion": {"f"}, "x-pomerium-claim-email": {"f"},
				"x_pomerium-anything": {"f"}, "x_user": {"f"}, "x-pomerium": {"not of the family"},
				"x.user": {"f"}, "x.pomerium.jwt.assertion": {"f"}, "x~pomerium!other": {"f"},
			},
		} {
			d := newAuthorizer(t, o).Authorize(t.Context(), request(t, "/", headers))
			g := d.Grant()
			if g == nil {
				t.Fatalf("%+v", d.Record)
			}
			covered := map[string]int{}
			for _, f := range g.Set() {
				covered[f.Name]++
			}
			for _, removed := range g.Remove() {
				covered[removed]++
			}
			want := allSpellings("x-pomerium-jwt-assertion", "x-pomerium-jwt-assertion-for", "x-user", "x-user-shoe-size")
			if seen == "forged" {
				want = append(want, "x-pomerium-claim-email", "x_pomerium-anything", "x.user", "x.pomerium.jwt.assertion", "x~pomerium!other")
			}
			for _, spelling := range want {
				if covered[spelling] != 1 {
					t.Errorf("%s rule, %s seen: %s is covered %d times", name, seen, spelling, covered[spelling])
				}
			}
			if covered["x-pomerium"] != 0 {
				t.Error("a header that is not ours was removed")
			}
		}
	}
}

// allSpellings is written another way than the code it tests.
func allSpellings(names ...string) (list []string) {
	for _, name := range names {
		parts := strings.Split(name, "-")
		for mask := range 1 << (len(parts) - 1) {
			var b strings.Builder
			for i, part := range parts {
				if i > 0 {
					b.WriteByte("-_"[mask>>(i-1)&1])
				}
				b.WriteString(part)
			}
			list = append(list, b.String())
		}
	}
	return list
}

// TestConnectionNamesNothingOfOurs: on an upgrade Envoy passes the header on, and
// a proxy behind it would remove what it names.
func TestConnectionNamesNothingOfOurs(t *testing.T) {
	for value, denied := range map[string]bool{
		"upgrade": false, "keep-alive, upgrade": false, "upgrade, x-pomerium-jwt-assertion": true, "X_Pomerium_JWT_Assertion,upgrade": true,
		"upgrade, x-pomerium-claim-email": true,
	} {
		for _, rule := range []*Rule{signing(), {Name: "p", Public: true}} {
			d := newAuthorizer(t, Options{Policy: only(rule)}).Authorize(t.Context(), request(t, "/", HeaderMap{"connection": {value}}))
			if (d.Grant() == nil) != denied || denied && d.Record.Reason != MalformedRequest {
				t.Errorf("%s: %+v", value, d.Record)
			}
		}
	}
}

func TestHeaderNamesThatAreNeverSet(t *testing.T) {
	for _, name := range []string{
		"", "x y", "x:y", ":path", "X-User", "host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade",
		"keep-alive", "proxy-authorization", "expect", "http2-settings", "cookie", "set-cookie", "authorization", "x-envoy-original-path",
		"x-forwarded-for", "x_forwarded_for", "content-type", "transfer_encoding", "grpc-status", "x-request-id", carriedOver,
		"a-b-c-d-e-f-g-h", strings.Repeat("x", 65), "x-ü",
	} {
		if ValidHeaderName(name) == nil {
			t.Errorf("%q may be set", name)
		}
	}
	for _, name := range []string{DefaultHeader, "x-user", "x_user", "x-pomerium-claim-email", "a-b-c-d-e-f-g"} {
		if err := ValidHeaderName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestCredentialsAndOurCookiesAreHidden(t *testing.T) {
	hiding := authenticatorFunc(func(_ context.Context, _ *Request, fx *Effects) (*Identity, error) {
		fx.HideHeader("authorization")
		fx.HideCookie("token")
		return alice(), nil
	})
	for name, c := range map[string]struct {
		cookies []string
		want    string // "" is removed
		same    bool
	}{
		"among others":         {[]string{"a=1; token=x; b=2"}, "a=1; b=2", false},
		"first":                {[]string{"token=x; b=2"}, "b=2", false},
		"alone":                {[]string{"token=x"}, "", false},
		"on lines":             {[]string{"a=1", "token=x"}, "a=1", false},
		"joined with a comma":  {[]string{"a=1,token=x,b=2"}, "a=1,b=2", false},
		"twice":                {[]string{"token=x; a=1; token=y"}, "a=1", false},
		"ours":                 {[]string{"__Host-privyseal_s=x; a=1; __Host-privyseal_f_9=y"}, "a=1", false},
		"values with commas":   {[]string{"a=1,2; token=x"}, "a=1,2", false},
		"no space":             {[]string{"a=1;token=x;b=2"}, "a=1; b=2", false},
		"bytes that cannot be": {[]string{"a=\xff; token=x; b=2"}, "b=2", false},
		"nothing to hide":      {[]string{"a=1; tokens=x; xtoken=y; Token=z"}, "", true},
		"name only":            {[]string{"token; a=1"}, "a=1", false},
		"space after the name": {[]string{"token =x; a=1; __Host-privyseal_s =y"}, "a=1", false},
	} {
		d := newAuthorizer(t, Options{Policy: only(signing(hiding))}).Authorize(t.Context(), request(t, "/", HeaderMap{"cookie": c.cookies}))
		g := d.Grant()
		if !slices.Contains(g.Remove(), "authorization") {
			t.Errorf("%s: the credential stays", name)
		}
		got, set := "", false
		for _, f := range g.Set() {
			if f.Name == "cookie" {
				got, set = f.Value, true
			}
		}
		if removed := slices.Contains(g.Remove(), "cookie"); got != c.want || set == (c.want == "") || removed != (c.want == "" && !c.same) {
			t.Errorf("%s: set %q, removed %v", name, got, removed)
		}
	}
}

// TestFortySpellingsOfTheFamily: names we have never heard of, in every writing
// that an application may fold into x-pomerium-*.
func TestFortySpellingsOfTheFamily(t *testing.T) {
	headers := HeaderMap{}
	for _, first := range "-_.~!" {
		for _, second := range "-_.~!" {
			for _, tail := range []string{"claim", "groups"} {
				headers["x"+string(first)+"pomerium"+string(second)+tail] = []string{"forged"}
			}
		}
	}
	if len(headers) < 40 {
		t.Fatalf("only %d spellings", len(headers))
	}
	for name, rule := range map[string]*Rule{"signed": signing(), "public": {Name: "p", Public: true}} {
		d := newAuthorizer(t, Options{Policy: only(rule)}).Authorize(t.Context(), request(t, "/", headers))
		for header := range headers {
			if !slices.Contains(d.Grant().Remove(), header) {
				t.Errorf("%s rule: %s passes", name, header)
			}
		}
	}
}

// TestNothingIsBothSetAndRemoved: Envoy applies removals last, so that a name in
// both would be gone. Whatever an authenticator hides, the sets stay disjoint.
func TestNothingIsBothSetAndRemoved(t *testing.T) {
	for _, hidden := range []string{"cookie", "authorization", "x-user", "x_user", DefaultHeader, "x_pomerium_jwt_assertion", carriedOver} {
		hiding := authenticatorFunc(func(_ context.Context, _ *Request, fx *Effects) (*Identity, error) {
			fx.HideHeader(hidden)
			fx.HideHeader(hidden)
			return alice(), nil
		})
		o := Options{Policy: only(signing(hiding)), Assertion: AssertionOptions{ClaimHeaders: map[string]string{"x-user": "sub"}}}
		r := request(t, "/", HeaderMap{"cookie": {"a=1; __Host-privyseal_s=x"}, "x-user": {"forged"}, DefaultHeader: {"forged"}})
		d := newAuthorizer(t, o).Authorize(t.Context(), r)
		seen := map[string]int{}
		for _, f := range d.Grant().Set() {
			seen[f.Name]++
		}
		for _, name := range d.Grant().Remove() {
			seen[name]++
		}
		for name, times := range seen {
			if times != 1 {
				t.Errorf("%s hidden: %s occurs %d times", hidden, name, times)
			}
		}
	}
}

// TestHeadersOfOursAreMadeOfFoldedNames: a separator other than '-' and '_' would
// have spellings that are not removed.
func TestHeadersOfOursAreMadeOfFoldedNames(t *testing.T) {
	for _, name := range []string{"x.user", "x~user", "x!user", "x'user", "x|user", "x+user"} {
		if ValidHeaderName(name) == nil {
			t.Errorf("%q may be set, and x-user passes beside it", name)
		}
	}
}

// TestGrantsDoNotShareMemory: the list of removals is made once, and appended to
// for each request.
func TestGrantsDoNotShareMemory(t *testing.T) {
	a := newAuthorizer(t, Options{Policy: only(signing())})
	first := a.Authorize(t.Context(), request(t, "/", HeaderMap{"x-pomerium-one": {"f"}}))
	second := a.Authorize(t.Context(), request(t, "/", HeaderMap{"x-pomerium-two": {"f"}}))
	if !slices.Contains(first.Grant().Remove(), "x-pomerium-one") || slices.Contains(second.Grant().Remove(), "x-pomerium-one") {
		t.Errorf("first %v, second %v", first.Grant().Remove(), second.Grant().Remove())
	}
}

// TestNamesAreComparedAsFolded: comparing without writing the folded name finds
// what writing it finds.
func TestNamesAreComparedAsFolded(t *testing.T) {
	o := newOwned(DefaultHeader, []string{"x-user", "x"})
	for _, name := range []string{
		"", "x", "X", "x-", "x-user", "X_User", "x.user", "x\u00e9user", "x\xffuser", "x-use", "x-users", "x-u\u00dfer", "-user",
		"x-pomerium-", "x_pomerium_any", "x\u212apomerium-y", "x-pomerium", "x-pomerium-jwt-assertion", "x\u00e9pomerium\u00e9jwt-assertion",
	} {
		want := strings.HasPrefix(folded(name), familyPrefix)
		for _, owned := range o.names {
			want = want || folded(name) == owned
		}
		if o.resembles(name) != want {
			t.Errorf("%q: want %v", name, want)
		}
	}
}

// TestGrantsShareNoMemoryThatGrows: what one grant removes besides is not
// removed by another.
func TestGrantsShareNoMemoryThatGrows(t *testing.T) {
	o := newOwned(DefaultHeader, []string{"x-user", "x"})
	for _, set := range [][]Field{nil, {{DefaultHeader, "v"}}} {
		var grants []*Grant
		for _, hidden := range []string{"a", "b", "c"} {
			var fx Effects
			fx.HideHeader(hidden)
			grants = append(grants, o.grant(request(t, "/", nil), &fx, set))
		}
		for i, hidden := range []string{"a", "b", "c"} {
			if removed := grants[i].Remove(); removed[len(removed)-1] != hidden {
				t.Errorf("grant %d removes %q", i, removed)
			}
		}
	}
}
