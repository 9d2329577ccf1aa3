package policy

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func TestPathGlobs(t *testing.T) {
	for glob, paths := range map[string]struct{ fit, miss string }{
		"/":             {"/", "/a"},
		"/v1/orders":    {"/v1/orders", "/v1/orders/ /v1/order /v1/orders/7 /V1/orders"},
		"/v1/orders/":   {"/v1/orders/", "/v1/orders"},
		"/v1/*":         {"/v1/a /v1/", "/v1 /v1/a/ /v1/a/b /v2/a"},
		"/v1/*/items":   {"/v1/7/items", "/v1/items /v1/7/8/items"},
		"/a*":           {"/a /abc", "/ /b /a/b"},
		"/*.json":       {"/x.json /.json /x.json.json", "/x.jso /d/x.json"},
		"/a*b*c":        {"/abc /axxbyyc /abcbc", "/ab /acb /ab/c"},
		"/v1/**":        {"/v1/ /v1/x /v1/x/y /v1/x/y/", "/v1 /v1x /v2/x /"},
		"/**":           {"/ /a /a/b/", ""},
		"/**/health":    {"/health /a/health /a/b/health", "/healthz /health/ /a/xhealth"},
		"/a/**/z":       {"/a/z /a/b/z /a/b/c/z /a/z/z", "/a /z /a/b /az /a/z/b"},
		"/a/**/":        {"/a/ /a/b/", "/a /a/b"},
		"/a/**/b/**/c":  {"/a/b/c /a/x/b/y/c /a/b/b/c/c", "/a/c/b /a/b /a/b/x"},
		"/a/**/b*/c/**": {"/a/b/c/ /a/bx/by/c/d", "/a/b/c /a/c/d"},
		"/**/**":        {"/ /a/b", ""},
		"/docs/[a]{b}":  {"/docs/[a]{b}", "/docs/a"},
		"/straße/a b":   {"/straße/a b", "/strasse/a b"},
	} {
		compiled, err := compilePath(glob)
		if err != nil {
			t.Errorf("%s: %v", glob, err)
			continue
		}
		for path := range listed(paths.fit) {
			if !compiled.fits(path) {
				t.Errorf("%s does not fit %s", glob, path)
			}
		}
		for path := range listed(paths.miss) {
			if compiled.fits(path) {
				t.Errorf("%s fits %s", glob, path)
			}
		}
		if compiled.fits("") {
			t.Errorf("%s fits CONNECT, which has no path", glob)
		}
	}
}

// listed yields paths, which each begin with " /" or the list.
func listed(paths string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, path := range strings.Split(paths, " /") {
			if path != "" && !yield("/"+strings.TrimPrefix(path, "/")) {
				return
			}
		}
	}
}

// TestGlobsAgreeWithRegularExpressions compares the matcher with a translation
// into expressions over many small globs and paths.
func TestGlobsAgreeWithRegularExpressions(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	join := func(pieces ...string) string {
		var b strings.Builder
		for range 1 + random.IntN(6) {
			b.WriteString("/" + pieces[random.IntN(len(pieces))])
		}
		return b.String()
	}
	fitting := 0
	for range 3000 {
		glob := join("**", "**", "*", "a", "b", "a*", "*a", "*a*b", "ab")
		if random.IntN(8) == 0 {
			glob += "/"
		}
		compiled, err := compilePath(glob)
		if err != nil {
			t.Fatalf("%s: %v", glob, err)
		}
		reference := regexp.MustCompile(expression(glob))
		for range 20 {
			path := join("a", "b", "ab", "aab", "ba", "")
			if got, want := compiled.fits(path), reference.MatchString(path); got != want {
				t.Fatalf("%s fits %s: %v, want %v by %s", glob, path, got, want, reference)
			} else if got {
				fitting++
			}
		}
	}
	if fitting < 1000 {
		t.Errorf("only %d pairs fit: the comparison says little", fitting)
	}
}

func expression(glob string) string {
	segments := strings.Split(glob[1:], "/")
	var b strings.Builder
	b.WriteString(`\A`)
	for i, segment := range segments {
		switch {
		case segment == "**" && i == len(segments)-1:
			b.WriteString(`(/[^/]*)+`)
		case segment == "**":
			b.WriteString(`(/[^/]*)*`)
		default:
			b.WriteString("/" + strings.ReplaceAll(regexp.QuoteMeta(segment), `\*`, `[^/]*`))
		}
	}
	return b.String() + `\z`
}

func TestWildcardsStayWithinASegment(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"staff", "staff", true},
		{"staff", "staffs", false},
		{"staff", "Staff", false},
		{"eng-*", "eng-", true},
		{"eng-*", "eng-web", true},
		{"eng/*", "eng/web", true},
		{"eng/*", "eng/web/admins", false},
		{"*", "eng/web", false},
		{"*/web", "eng/web", true},
		{"spiffe://td.example/ns/*/sa/api", "spiffe://td.example/ns/shop/sa/api", true},
		{"spiffe://td.example/ns/*/sa/api", "spiffe://td.example/ns/x/sa/api/ns/y/sa/api", false},
		{"a*/b", "ax/x/b", false},
		{"*a*", "bab", true},
		{"*a*a", "aba", true},
		{"*a*a", "a", false},
	} {
		if got := wildcard(c.pattern, c.text); got != c.want {
			t.Errorf("%q fits %q: %v", c.pattern, c.text, got)
		}
	}
}

// TestGlobsDoNotBacktrackExponentially would not end within a test's patience
// if a mismatch made every wildcard try again.
func TestGlobsDoNotBacktrackExponentially(t *testing.T) {
	for _, c := range []struct{ glob, path string }{
		{"/" + strings.Repeat("a*", 500) + "b", "/" + strings.Repeat("a", 60000)},
		{strings.Repeat("/**/a", 200) + "/b", strings.Repeat("/a", 30000)},
		{strings.Repeat("/**/*a*", 140) + "/b", strings.Repeat("/aaa", 15000)},
	} {
		compiled, err := compilePath(c.glob)
		if err != nil {
			t.Fatal(err)
		}
		if compiled.fits(c.path) {
			t.Errorf("%.20s fits", c.glob)
		}
	}
}
