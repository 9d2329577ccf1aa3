package authz

import (
	"net/url"
	"strings"
	"testing"
)

func TestCanonicalHost(t *testing.T) {
	for host, want := range map[string]string{
		"app.example": "app.example", "App.EXAMPLE": "app.example", "app.example.": "app.example", "app.example:443": "app.example",
		"app.example.:443": "app.example", "localhost": "localhost", "xn--bcher-kva.example": "xn--bcher-kva.example",
		"192.0.2.1": "192.0.2.1", "192.0.2.1:80": "192.0.2.1", "[2001:DB8::0:1]": "2001:db8::1", "[::1]:8080": "::1", "1a": "1a", "a.1b": "a.1b",
	} {
		if got, err := CanonicalHost(host); err != nil || got != want {
			t.Errorf("%q: %q, %v", host, got, err)
		}
	}
	for _, host := range []string{
		"", ".", "..", "a..b", ".a", "a.example..", "a,b", "a b", "a_b.example", "user@a", "a/b", "a:b", "a:123456", "a:", "a:1:2", "::1",
		"[::1", "[::1]x", "[fe80::1%eth0]", "[192.0.2.1]", "-a", "a-", "a.-b", "1", "1.2.3", "1.2.3.4.5", "0x7f.1", "192.0.2.01", "a.256",
		"bücher.example", "boo\u212a.example", "a\x00b", "a%2eb", "*.example", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a", "a\n",
	} {
		if got, err := CanonicalHost(host); err == nil && !(host == "a:" && got == "a") {
			t.Errorf("%q is %q", host, got)
		}
	}
}

func TestCanonicalPath(t *testing.T) {
	for raw, want := range map[string]string{
		"/": "/", "/a/b": "/a/b", "/%61": "/a", "/%7Euser": "/~user", "/caf%C3%A9": "/café", "/caf%c3%a9": "/café", "/a%20b": "/a b",
		"/a.txt": "/a.txt", "/...": "/...", "/.well-known/x": "/.well-known/x", "/a/": "/a/", "/a=b&c": "/a=b&c", "/%2B": "/+", "/a+b": "/a+b",
	} {
		if got, ambiguous := CanonicalPath(raw); got != want || ambiguous {
			t.Errorf("%q: %q, ambiguous %v", raw, got, ambiguous)
		}
	}
	for _, raw := range []string{
		"//", "/a//b", "/a//", "/.", "/..", "/./a", "/a/.", "/a/..", "/a/../b", "/a;b", "/a;b=c/d", `/a\b`, "/a#b", "/a b", "/é", "/\x7f", "/\x01",
		"/%2f", "/%2F", "/%5c", "/%5C", "/%2e", "/%2E%2e", "/%25", "/%252e", "/%3b", "/%3B", "/%23", "/%3f", "/%00", "/%0a", "/%7f", "/%", "/%2", "/%zz", "/%ff", "/%c0%af",
	} {
		if got, ambiguous := CanonicalPath(raw); !ambiguous {
			t.Errorf("%q is %q and not ambiguous", raw, got)
		}
	}
}

// FuzzCanonicalPath: unambiguous paths that mean the same have one form, and
// that form means the same as the raw path to another program.
func FuzzCanonicalPath(f *testing.F) {
	for _, seed := range []string{"/", "/a/b", "/%61%62", "/caf%C3%A9", "/a//b", "/%2e%2e/", "/a%20b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		path, ambiguous := CanonicalPath(raw)
		if ambiguous || !strings.HasPrefix(raw, "/") {
			return
		}
		if other, err := url.PathUnescape(raw); err != nil || other != path {
			t.Fatalf("%q is %q here and %q elsewhere", raw, path, other)
		}
		var escaped strings.Builder // every byte that may be, encoded
		for i := range len(path) {
			if c := path[i]; c == '/' || c == '.' {
				escaped.WriteByte(c)
			} else {
				escaped.WriteString("%" + strings.ToUpper(string([]byte{upperHex[c>>4], upperHex[c&15]})))
			}
		}
		if again, ambiguous := CanonicalPath(escaped.String()); again != path || ambiguous {
			t.Fatalf("%q is %q, and %q is %q (ambiguous %v)", raw, path, escaped.String(), again, ambiguous)
		}
	})
}

func TestNewRequest(t *testing.T) {
	for name, c := range map[string]struct {
		method, host, target string
		ok                   bool
	}{
		"ordinary":           {"GET", "app.example", "/a?b=/../c", true},
		"CONNECT":            {"CONNECT", "app.example:443", "", true},
		"ambiguous is known": {"GET", "app.example", "/a/../b", true},
		"two hosts":          {"GET", "a,b", "/", false},
		"no path":            {"GET", "app.example", "", false},
		"asterisk":           {"OPTIONS", "app.example", "*", false},
		"absolute form":      {"GET", "app.example", "http://x/", false},
		"no method":          {"", "app.example", "/", false},
		"method with space":  {"GET /", "app.example", "/", false},
		"long method":        {strings.Repeat("A", 33), "app.example", "/", false},
		"lower-case method":  {"post", "app.example", "/", false},
		"mixed-case method":  {"Post", "app.example", "/", false},
		"odd method":         {"P~|`", "app.example", "/", false},
	} {
		r, denial := NewRequest(c.method, "https", c.host, c.target)
		if (denial == nil) != c.ok || (r != nil) != c.ok || denial != nil && denial.Reason != MalformedRequest {
			t.Errorf("%s: %+v, %v", name, r, denial)
		}
	}
	r, _ := NewRequest("GET", "https", "App.Example:1", "/%61?x=%61#y")
	if r.Host != "app.example" || r.Path != "/a" || r.RawPath != "/%61" || r.Query != "x=%61#y" {
		t.Errorf("%+v", r)
	}
}

// TestHexadecimalHostsAreAddresses: to inet_aton and to browsers 0x7f000001 is
// 127.0.0.1.
func TestHexadecimalHostsAreAddresses(t *testing.T) {
	for _, host := range []string{"0x7f000001", "0X7F000001", "a.0x1", "127.0.0.0x1", "0x", "0x7f000001:80", "0x7f000001."} {
		if got, err := CanonicalHost(host); err == nil {
			t.Errorf("%q is %q", host, got)
		}
	}
	for _, host := range []string{"0xyz", "x0x1", "0x1.example", "a.0x1g", "beef"} {
		if _, err := CanonicalHost(host); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
}

// FuzzCanonicalHost: the canonical form is its own canonical form, and holds
// nothing that another part could split or decode.
func FuzzCanonicalHost(f *testing.F) {
	for _, seed := range []string{"App.Example.:443", "[2001:DB8::1]:1", "[::ffff:192.0.2.1]", "192.0.2.1", "a,b", "0x7f.1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, err := CanonicalHost(host)
		if err != nil {
			return
		}
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.:") != "" {
			t.Fatalf("%q is %q", host, name)
		}
		if again, err := CanonicalHost(bracketed(name)); err != nil || again != name {
			t.Fatalf("%q is %q, which is %q (%v)", host, name, again, err)
		}
	})
}
