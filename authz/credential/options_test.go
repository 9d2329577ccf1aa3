package credential_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"privyseal/authz"
	"privyseal/authz/credential"
)

// paths returns the option paths of a joined error.
func paths(err error) []string {
	var list []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			list = append(list, paths(e)...)
		}
	} else if option, ok := err.(interface{ OptionPath() string }); ok {
		list = append(list, option.OptionPath())
	} else if err != nil {
		list = append(list, "no option: "+err.Error())
	}
	return list
}

func TestMistakesInJWT(t *testing.T) {
	idp, us := newIssuer(t, "https://idp.example"), newIssuer(t, "https://us.example")
	e := env(idp, us)
	e.OwnIssuer = func(iss string) bool { return iss == us.url }
	e.AssertionHeader = "x-assert-id"
	for name, test := range map[string]struct {
		change func(*credential.JWT)
		want   string
	}{
		"fine":                       {func(o *credential.JWT) {}, ""},
		"no name":                    {func(o *credential.JWT) { o.Name = "" }, "name"},
		"name with capitals":         {func(o *credential.JWT) { o.Name = "Corp" }, "name"},
		"name with slash":            {func(o *credential.JWT) { o.Name = "a/b" }, "name"},
		"name begins with hyphen":    {func(o *credential.JWT) { o.Name = "-a" }, "name"},
		"longest name":               {func(o *credential.JWT) { o.Name = strings.Repeat("a", 32) }, ""},
		"name too long":              {func(o *credential.JWT) { o.Name = strings.Repeat("a", 33) }, "name"},
		"no issuer":                  {func(o *credential.JWT) { o.Issuer = "" }, "issuer"},
		"issuer over http":           {func(o *credential.JWT) { o.Issuer = "http://idp.example" }, "issuer"},
		"issuer with query":          {func(o *credential.JWT) { o.Issuer = "https://idp.example?x" }, "issuer"},
		"issuer is a word":           {func(o *credential.JWT) { o.Issuer = "host" }, "issuer"},
		"issuer is ours":             {func(o *credential.JWT) { o.Issuer = us.url }, "issuer"},
		"issuer without keys":        {func(o *credential.JWT) { o.Issuer = "https://unreachable.example" }, "issuer"},
		"no audiences":               {func(o *credential.JWT) { o.Audiences = nil }, "audiences"},
		"an empty audience":          {func(o *credential.JWT) { o.Audiences = []string{"api", ""} }, "audiences[1]"},
		"keys over http":             {func(o *credential.JWT) { o.JWKSURL = "http://idp.example/jwks" }, "jwks_url"},
		"keys over http on loopback": {func(o *credential.JWT) { o.JWKSURL = "http://127.0.0.1:1/jwks" }, ""},
		"two places of keys":         {func(o *credential.JWT) { o.JWKSURL, o.JWKSFile = "https://idp.example/jwks", "f" }, "jwks_file"},
		"header with capitals":       {func(o *credential.JWT) { o.Header = "X-Token" }, "header"},
		"header is no token":         {func(o *credential.JWT) { o.Header = "x token" }, "header"},
		"header is the assertion's":  {func(o *credential.JWT) { o.Header = "x-assert-id" }, "header"},
		"header is spelled like it":  {func(o *credential.JWT) { o.Header = "x_assert-id" }, "header"},
		"header cookie":              {func(o *credential.JWT) { o.Header = "cookie" }, "header"},
		"cookie with space":          {func(o *credential.JWT) { o.Cookie = "a b" }, "cookie"},
		"cookie of ours":             {func(o *credential.JWT) { o.Cookie = authz.CookiePrefix + "-session" }, "cookie"},
		"unknown claim":              {func(o *credential.JWT) { o.ClaimPaths = map[string]string{"role": "x"} }, "claim_paths.role"},
		"empty step":                 {func(o *credential.JWT) { o.ClaimPaths = map[string]string{"groups": "a..b"} }, "claim_paths.groups"},
		"empty path":                 {func(o *credential.JWT) { o.ClaimPaths = map[string]string{"groups": ""} }, "claim_paths.groups"},
		"email":                      {func(o *credential.JWT) { o.Email = "true" }, "email"},
		"symmetric algorithm":        {func(o *credential.JWT) { o.Algorithms = []string{"RS256", "HS256"} }, "algorithms[1]"},
		"no algorithm":               {func(o *credential.JWT) { o.Algorithms = []string{"none"} }, "algorithms[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			o := idp.jwt("corp")
			test.change(o)
			_, err := credential.New(jwtSources(o), e)
			want := []string{"[0].jwt." + test.want}
			if test.want == "" {
				want = nil
			}
			if got := paths(err); !slices.Equal(got, want) {
				t.Errorf("got %q (%v), want %q", got, err, want)
			}
		})
	}
}

func TestMistakesBetweenSources(t *testing.T) {
	one, two := newIssuer(t, "https://one.example"), newIssuer(t, "https://two.example")
	for name, test := range map[string]struct {
		change func(first, second *credential.JWT)
		want   []string
	}{
		"fine":                             {func(first, second *credential.JWT) {}, nil},
		"same name":                        {func(first, second *credential.JWT) { second.Name = first.Name }, []string{"[1].jwt.name"}},
		"two primaries":                    {func(first, second *credential.JWT) { first.Primary, second.Primary = true, true }, []string{"[1].jwt.primary"}},
		"same issuer, same place":          {func(first, second *credential.JWT) { second.Issuer = first.Issuer }, []string{"[1].jwt.issuer"}},
		"same issuer, default and spelled": {func(first, second *credential.JWT) { second.Issuer, second.Header = first.Issuer, "authorization" }, []string{"[1].jwt.issuer"}},
		"same issuer, another place":       {func(first, second *credential.JWT) { second.Issuer, second.Header = first.Issuer, "x-token" }, nil},
		"header shared, cookie not": {func(first, second *credential.JWT) { second.Header, second.Cookie = "authorization", "token" },
			[]string{"[1].jwt.cookie"}},
		"cookie shared, header not": {func(first, second *credential.JWT) {
			first.Cookie, second.Cookie, second.Header = "token", "token", "x-token"
		},
			[]string{"[1].jwt.header"}},
		"both shared": {func(first, second *credential.JWT) {
			first.Header, second.Header, first.Cookie, second.Cookie = "x-token", "x-token", "token", "token"
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := one.jwt("one"), two.jwt("two")
			test.change(first, second)
			_, err := credential.New(jwtSources(first, second), env(one, two))
			if got := paths(err); !slices.Equal(got, test.want) {
				t.Errorf("got %q (%v), want %q", got, err, test.want)
			}
		})
	}
}

func TestMistakesInOtherSources(t *testing.T) {
	ca := newAuthority(t)
	var none *authority
	files := map[string][]byte{
		"ca.pem": ca.pem(), "empty.pem": nil, "text.pem": []byte("CA"),
		"leaf.pem": (&authority{certificate: none.svid(t, nil, workload)}).pem(),
		"key.pem":  []byte("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"),
	}
	e := env()
	e.ReadFile = func(name string) ([]byte, error) {
		if content, ok := files[name]; ok {
			return content, nil
		}
		return nil, fs.ErrNotExist
	}
	peer := func(file string, envoyVerifies bool, domains ...string) credential.Source {
		return credential.Source{PeerCertificate: &credential.PeerCertificate{Name: "mesh", CAFile: file, EnvoyVerifies: envoyVerifies, TrustDomains: domains}}
	}
	for name, test := range map[string]struct {
		source credential.Source
		want   []string
	}{
		"nothing":              {credential.Source{}, []string{"[0]"}},
		"two":                  {credential.Source{JWT: &credential.JWT{}, EnvoyMetadata: &credential.EnvoyMetadata{}}, []string{"[0]"}},
		"CA":                   {peer("ca.pem", false, "td.example"), nil},
		"Envoy verifies":       {peer("", true, "td.example"), nil},
		"nobody verifies":      {peer("", false, "td.example"), []string{"[0].peer_certificate"}},
		"both verify":          {peer("ca.pem", true, "td.example"), []string{"[0].peer_certificate"}},
		"no trust domain":      {peer("ca.pem", false), []string{"[0].peer_certificate.trust_domains"}},
		"id as trust domain":   {peer("", true, "td.example", "spiffe://td.example"), []string{"[0].peer_certificate.trust_domains[1]"}},
		"missing file":         {peer("x.pem", false, "td.example"), []string{"[0].peer_certificate.ca_file"}},
		"empty file":           {peer("empty.pem", false, "td.example"), []string{"[0].peer_certificate.ca_file"}},
		"text file":            {peer("text.pem", false, "td.example"), []string{"[0].peer_certificate.ca_file"}},
		"file of a leaf":       {peer("leaf.pem", false, "td.example"), []string{"[0].peer_certificate.ca_file"}},
		"file of a key":        {peer("key.pem", false, "td.example"), []string{"[0].peer_certificate.ca_file"}},
		"metadata without all": {credential.Source{EnvoyMetadata: &credential.EnvoyMetadata{}}, []string{"[0].envoy_metadata.issuer", "[0].envoy_metadata.audiences", "[0].envoy_metadata.key", "[0].envoy_metadata.name"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := credential.New([]credential.Source{test.source}, e)
			if got := paths(err); !slices.Equal(got, test.want) {
				t.Errorf("got %q (%v), want %q", got, err, test.want)
			}
		})
	}
}

func TestMistakesBetweenOtherSources(t *testing.T) {
	peer := func(name string, domains ...string) credential.Source {
		return credential.Source{PeerCertificate: &credential.PeerCertificate{Name: name, TrustDomains: domains, EnvoyVerifies: true}}
	}
	edge := func(name, key string) credential.Source {
		return credential.Source{EnvoyMetadata: &credential.EnvoyMetadata{Name: name, Key: key, Issuer: "https://idp.example", Audiences: []string{name}}}
	}
	_, err := credential.New([]credential.Source{
		peer("one", "a.example", "b.example"), peer("two", "c.example", "b.example"), edge("three", "k"), edge("four", "k"), edge("five", "l"),
	}, env())
	want := []string{"[1].peer_certificate.trust_domains[1]", "[3].envoy_metadata.issuer"}
	if got := paths(err); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := credential.New([]credential.Source{
		{JWT: &credential.JWT{Name: "a", Issuer: "https://idp.example"}},
		{PeerCertificate: &credential.PeerCertificate{Name: "a", TrustDomains: []string{"td.example"}}},
	}, env())
	want := []string{"[0].jwt.audiences", "[1].peer_certificate", "[1].peer_certificate.name"}
	if got := paths(err); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	var option *authz.OptionError
	if !errors.As(err, &option) {
		t.Errorf("%T is no option error", err)
	}
}

func TestAuthenticatorsOfARule(t *testing.T) {
	one, two, three := newIssuer(t, "https://one.example"), newIssuer(t, "https://two.example"), newIssuer(t, "https://three.example")
	elsewhere, trusted := two.jwt("two"), three.jwt("three")
	elsewhere.Cookie = "token"
	trusted.Email, trusted.Primary = "trusted", true
	sources := append(jwtSources(one.jwt("one"), elsewhere, trusted), credential.Source{
		PeerCertificate: &credential.PeerCertificate{Name: "mesh", TrustDomains: []string{"td.example"}, EnvoyVerifies: true},
	})
	c, err := credential.New(sources, env(one, two, three))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Names(), []string{"one", "two", "three", "mesh"}; !slices.Equal(got, want) {
		t.Errorf("names are %q, want %q", got, want)
	}
	if got, want := c.Sources()[2], (credential.Description{Name: "three", Primary: true, TrustEmail: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, test := range []struct {
		names []string
		want  int
	}{{nil, 0}, {[]string{"mesh"}, 1}, {[]string{"one", "three"}, 1}, {[]string{"one", "two", "three", "mesh"}, 3}, {[]string{"nobody"}, 0}} {
		if got := c.For(test.names); len(got) != test.want {
			t.Errorf("%q: %d authenticators, want %d", test.names, len(got), test.want)
		}
	}

	// Order is that of the rule; the shared place comes at its first source.
	list := c.For([]string{"mesh", "three", "two", "one"})
	for i, r := range []*authz.Request{
		withFacts(facts{principal: "spiffe://td.example/x"}), withBearer(one.token(one.claims())), request("cookie", "token="+two.token(two.claims())),
	} {
		expect(t, list[i], r, authz.Allowed)
	}
}

func TestFiles(t *testing.T) {
	for _, test := range []struct {
		source credential.Source
		want   []string
	}{
		{credential.Source{}, nil},
		{credential.Source{JWT: &credential.JWT{}}, nil},
		{credential.Source{JWT: &credential.JWT{JWKSFile: "jwks.json"}}, []string{"jwks.json"}},
		{credential.Source{PeerCertificate: &credential.PeerCertificate{CAFile: "ca.pem"}}, []string{"ca.pem"}},
	} {
		if got := test.source.Files(); !slices.Equal(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
