package login_test

import (
	"net/url"
	"strings"
	"testing"
)

func escaped(s string) string { return url.QueryEscape(s) }

// openRedirects are spellings by which a browser would leave the host, or a
// parser could think so, or a login would end where it began.
func openRedirects() []string {
	return []string{
		"https://evil.example", "http://evil.example/", "HTTPS://evil.example", "//evil.example", "///evil.example", "////evil.example",
		`/\evil.example`, `\/evil.example`, `\\evil.example`, `/\/evil.example`, `//\evil.example`,
		"/\tevil.example", "/\t/evil.example", "\t//evil.example", " //evil.example", "/ /evil.example",
		"/\n/evil.example", "/\r/evil.example", "\x00//evil.example", "/\x00/evil.example",
		"https:evil.example", "https:/evil.example", "javascript:alert(1)", "data:text/html,x", "//app.example@evil.example",
		"//evil.example:443/", "//evil%2eexample", "/%2f/evil.example", "/%2fevil.example", "/%5cevil.example", "/%09/evil.example",
		"/.//evil.example", "/..//evil.example", "/a/../..//evil.example", "/x//evil.example", "evil.example", ".evil.example", "@evil.example",
		"?//evil.example", "#//evil.example", "/é", "//éxample", "/<script>", `/"onload=`, "", "/.privyseal/login?source=corp", "/.privyseal/logout",
		"/%2eprivyseal/logout", "/a;//evil.example", "/a#//evil.example", "/?a=\r\nset-cookie:x", `/?\\evil.example`, "/?a=é", `/?a="`, "/?a=<", "/?a=\x00", "/? a", "/" + strings.Repeat("a", 3000),
	}
}

func TestReturnURLIsKept(t *testing.T) {
	w := newWorld(t)
	for _, target := range []string{"/", "/orders", "/orders/7?a=1&b=%2F%2Fx", "/a%20b", "/?next=https://other.example/", "/a@b:c", "/~x"} {
		b := w.browser()
		a := b.send("GET", b.begin(home+target), navigation)
		if a.status != 303 || a.location != target {
			t.Errorf("%q comes back to %d %q", target, a.status, a.location)
		}
	}
}
