package authz

import (
	"errors"
	"testing"
)

// TestCookie: a cookie that occurs twice is nobody's, because the application
// might read the other one.
func TestCookie(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		want  string
		ok    bool
		err   bool
	}{
		"absent":              {nil, "", false, false},
		"alone":               {[]string{"token=x"}, "x", true, false},
		"among others":        {[]string{"a=1; token=x; b=2"}, "x", true, false},
		"joined by a comma":   {[]string{"a=1,token=x"}, "x", true, false},
		"on a second line":    {[]string{"a=1", "token=x"}, "x", true, false},
		"quoted":              {[]string{`token="x"`}, "x", true, false},
		"space around":        {[]string{"a=1 ;  token=x ; b=2"}, "x", true, false},
		"value holds '='":     {[]string{"token=eA=="}, "eA==", true, false},
		"empty":               {[]string{"token="}, "", true, false},
		"other case":          {[]string{"Token=x"}, "", false, false},
		"other ending":        {[]string{"tokens=x; xtoken=y"}, "", false, false},
		"twice":               {[]string{"token=x; token=y"}, "", false, true},
		"twice, equal":        {[]string{"token=x; token=x"}, "", false, true},
		"twice, over lines":   {[]string{"token=x", "token=y"}, "", false, true},
		"twice, by comma":     {[]string{"token=x,token=y"}, "", false, true},
		"twice, spaced apart": {[]string{"token=x; token =y"}, "", false, true},
	} {
		got, ok, err := Cookie(HeaderMap{"cookie": c.lines}, "token")
		var denial *Denial
		if got != c.want || ok != c.ok || (err != nil) != c.err || err != nil && (!errors.As(err, &denial) || denial.Reason != MalformedRequest) {
			t.Errorf("%s: %q, %v, %v", name, got, ok, err)
		}
	}
}

// TestOtherCookiesKeepTheirValues: our cookies are taken out of the one header
// that the application's cookies travel in, on every grant to a browser that is
// logged in. What is left must be what the browser sent.
func TestOtherCookiesKeepTheirValues(t *testing.T) {
	const ours = "__Host-privyseal=x"
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"commas in a value":           {[]string{"a=1,2,3; " + ours}, "a=1,2,3"},
		"two commas in a row":         {[]string{"a=1,,2; " + ours}, "a=1,,2"},
		"a comma at the end":          {[]string{"a=1,; " + ours}, "a=1,"},
		"comma and space":             {[]string{"a=1, 2; " + ours}, "a=1, 2"},
		"a pair within a value":       {[]string{"a=x=1,y=2; " + ours}, "a=x=1,y=2"},
		"ours between two":            {[]string{"a=1; " + ours + "; b=2"}, "a=1; b=2"},
		"ours ends a line":            {[]string{"a=1; " + ours + ",b=2"}, "a=1; b=2"},
		"ours ends a line, then list": {[]string{"a=1; " + ours + ",b=2,3"}, "a=1; b=2,3"},
		"ours begins a line":          {[]string{"a=1," + ours + "; b=2"}, "a=1; b=2"},
		"empty pairs":                 {[]string{";; a=1;; ;" + ours + ";"}, "a=1"},
		"a comma ends the header":     {[]string{ours + "; a=1,"}, "a=1,"},
		"after a value not UTF-8":     {[]string{"a=1; x=\xff,2; " + ours}, "a=1; 2"},
		"lines":                       {[]string{ours, "a=1", "b=2,3"}, "a=1; b=2,3"},
	} {
		var fx Effects
		if got, changed := fx.visibleCookies(c.lines); got != c.want || !changed {
			t.Errorf("%s: %q became %q, changed %v", name, c.lines, got, changed)
		}
	}
}

// FuzzVisibleCookies: whatever a client sends, nothing of ours is left, and what
// is left stays as it is when it is looked at again.
func FuzzVisibleCookies(f *testing.F) {
	for _, seed := range []string{"a=1; __Host-privyseal=x,b=2", ",,;__Host-privyseal_s =x;", "__Host-privyseal", "a=1, __Host-privyseal_f=2", "\t__Host-privyseal=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var fx Effects
		rest, changed := fx.visibleCookies([]string{line})
		if !changed {
			return
		}
		again, more := fx.visibleCookies([]string{rest})
		if more {
			t.Fatalf("%q became %q, which still holds a cookie of ours (%q)", line, rest, again)
		}
	})
}
