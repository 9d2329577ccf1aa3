package authz

import (
	"bufio"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"privyseal/authz/verify"
)

// binding returns the payload of the assertion for a request under a rule that
// binds, or the denial.
func binding(t *testing.T, b Binding, r *Request, o Options) (string, *Denial) {
	t.Helper()
	rule := signing()
	rule.Bind = b
	o.Policy = only(rule)
	d := newAuthorizer(t, o).Authorize(t.Context(), r)
	if d.Grant() == nil {
		return "", d.denial
	}
	return payload(t, d.Grant().Set()[0].Value), nil
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// TestBoundAssertionIsGolden: the bytes that are digested, and where the claim
// stands.
func TestBoundAssertionIsGolden(t *testing.T) {
	r, denial := NewRequest("POST", "https", "App.Example:8443", "/a%20b//c?x=1?&y")
	if denial != nil {
		t.Fatal(denial)
	}
	for _, c := range []struct {
		bind   Binding
		parts  string
		digest string
	}{
		{BindMethod | BindHost | BindPath | BindQuery, "method host path query", "privyseal-req-1\nmethod:4:POST\nhost:16:app.example:8443\npath:9:/a%20b//c\nquery:6:x=1?&y\n"},
		{BindMethod, "method", "privyseal-req-1\nmethod:4:POST\n"},
		{BindHost, "host", "privyseal-req-1\nhost:16:app.example:8443\n"},
		{BindPath, "path", "privyseal-req-1\npath:9:/a%20b//c\n"},
		{BindQuery, "query", "privyseal-req-1\nquery:6:x=1?&y\n"},
	} {
		got, denial := binding(t, c.bind, r, Options{})
		want := `{"iss":"app.example","aud":"app","sub":"alice","user":"alice","email":"alice@corp.example","name":"Alice","sid":"","idp":"corp",` +
			`"groups":["staff"],"req":{"v":1,"parts":"` + c.parts + `","digest":"` + digestOf(c.digest) + `"},` +
			`"iat":1795435190,"exp":1795435260,"jti":"AAAAAAAAAAAAAAAAAAAAAA"}`
		if got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.parts, denial, got, want)
		}
	}
}

// What is to be bound and is not there, or not in one reading, is a denial: never
// an assertion that is bound to less.
func TestWhatCannotBeBoundIsDenied(t *testing.T) {
	all := BindMethod | BindHost | BindPath | BindQuery
	for name, c := range map[string]struct {
		bind                 Binding
		method, host, target string
		ok                   bool
	}{
		"a request":               {all, "GET", "app.example", "/", true},
		"no query":                {BindQuery, "GET", "app.example", "/", true},
		"CONNECT, its host":       {BindMethod | BindHost, "CONNECT", "app.example:443", "", true},
		"CONNECT, its path":       {BindPath, "CONNECT", "app.example:443", "", false},
		"CONNECT, its query":      {BindQuery, "CONNECT", "app.example:443", "", false},
		"a path beyond ASCII":     {BindPath, "GET", "app.example", "/\u00e9", false},
		"a space in the path":     {BindPath, "GET", "app.example", "/a b", false},
		"a query beyond ASCII":    {BindQuery, "GET", "app.example", "/?\u00e9", false},
		"a line end in the query": {BindQuery, "GET", "app.example", "/?a\nhost:1:b", false},
		"not bound to the query":  {BindPath, "GET", "app.example", "/?\u00e9", true},
	} {
		r, denial := NewRequest(c.method, "https", c.host, c.target)
		if denial != nil {
			t.Fatal(name, denial)
		}
		_, denial = binding(t, c.bind, r, Options{})
		if (denial == nil) != c.ok || denial != nil && denial.Reason != UnsafeClaim {
			t.Errorf("%s: %v", name, denial)
		}
	}
	r := request(t, "/", nil)
	r.Method, r.RawHost = "", ""
	for _, bind := range []Binding{BindMethod, BindHost} {
		if _, denial := binding(t, bind, r, Options{}); denial == nil || denial.Reason != UnsafeClaim {
			t.Errorf("%v of a request without: %v", bind, denial)
		}
	}
}

// peer is the facts of a connection with a client certificate.
type peer struct {
	NoFacts
	leaf *x509.Certificate
	err  error
}

func (p peer) Peer() (string, *x509.Certificate, error) { return "", p.leaf, p.err }

// TestConfirmation: cnf is the certificate of the connection, and a caller
// without one is denied.
func TestConfirmation(t *testing.T) {
	leaf := &x509.Certificate{Raw: []byte("certificate")}
	seen, other := digestOf("certificate"), digestOf("another")
	for name, c := range map[string]struct {
		facts  peer
		known  string
		want   string
		reason Reason
	}{
		"of the connection":       {peer{leaf: leaf}, "", seen, ""},
		"of the credential":       {peer{}, seen, seen, ""},
		"of both":                 {peer{leaf: leaf}, seen, seen, ""},
		"two certificates":        {peer{leaf: leaf}, other, "", UnsafeClaim},
		"none":                    {peer{}, "", "", UnsafeClaim},
		"one that is not legible": {peer{err: errBroken}, seen, "", Fault},
	} {
		rule := signing(as(alice(func(id *Identity) { id.Thumbprint = c.known })))
		rule.Bind = BindCertificate
		r := request(t, "/", nil)
		r.Facts = c.facts
		d := newAuthorizer(t, Options{Policy: only(rule)}).Authorize(t.Context(), r)
		if c.want == "" {
			if d.denial == nil || d.denial.Reason != c.reason {
				t.Errorf("%s: %v", name, d.denial)
			}
			continue
		}
		if got := payload(t, d.Grant().Set()[0].Value); !strings.Contains(got, `"groups":["staff"],"cnf":{"x5t#S256":"`+c.want+`"},"iat"`) {
			t.Errorf("%s: %s", name, got)
		}
	}
	r := request(t, "/", nil)
	r.Facts = peer{leaf: leaf}
	if got, _ := binding(t, 0, r, Options{}); strings.Contains(got, "cnf") {
		t.Errorf("a rule that binds to nothing: %s", got)
	}
	if got, _ := binding(t, BindCertificate|BindPath, r, Options{}); !strings.Contains(got, `"cnf":{`) || !strings.Contains(got, `,"req":{"v":1,"parts":"path"`) {
		t.Errorf("both: %s", got)
	}
}

// Requests that are alike do not share a bound assertion.
func TestBoundAssertionsAreNotReused(t *testing.T) {
	for bind, want := range map[Binding]int{0: 1, BindPath: 2} {
		rule := signing()
		rule.Bind = bind
		a := newAuthorizer(t, Options{Policy: only(rule), Assertion: AssertionOptions{Reuse: time.Second}, Rand: strings.NewReader(strings.Repeat("a", 16) + strings.Repeat("b", 16))})
		made := map[string]bool{}
		for range 2 {
			d := a.Authorize(t.Context(), request(t, "/", nil))
			made[d.Grant().Set()[0].Value] = true
		}
		if len(made) != want {
			t.Errorf("bind %d: %d assertions", bind, len(made))
		}
	}
}

// FuzzBinding: what the signer digests of one request is what an application
// digests of another exactly if the parts that are covered are the same.
func FuzzBinding(f *testing.F) {
	f.Add(uint8(15), "GET", "app.example", "/a?b", "GET", "APP.example", "/a?b")
	f.Add(uint8(15), "GET", "app.example", "/a?", "GET", "app.example", "/a")
	f.Add(uint8(12), "GET", "a.example:80", "/a?b?c", "POST", "a.example", "/a?b")
	f.Add(uint8(4), "GET", "a.example", "/a%2Fb//", "GET", "a.example", "/a/b//")
	f.Fuzz(func(t *testing.T, bits uint8, method, host, target, method2, host2, target2 string) {
		bind := Binding(bits) & bindRequest
		signed, denial := NewRequest(method, "https", host, target)
		received, err := http.ReadRequest(bufio.NewReader(strings.NewReader(
			fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method2, target2, host2))))
		if denial != nil || err != nil || bind == 0 || received.Method != method2 || received.Host != host2 || received.RequestURI != target2 {
			t.Skip()
		}
		parts, digest, err := bind.digest(signed)
		if err != nil {
			var denied *Denial
			if !errors.As(err, &denied) {
				t.Error(err)
			}
			return
		}
		got, err := verify.RequestDigest(received, strings.Split(parts, " ")...)
		path, query, _ := strings.Cut(target2, "?")
		same := (bind&BindMethod == 0 || method == method2) && (bind&BindHost == 0 || lowerASCII(host) == lowerASCII(host2)) &&
			(bind&BindPath == 0 || signed.RawPath == path) && (bind&BindQuery == 0 || signed.Query == query)
		if bind&(BindPath|BindQuery) != 0 && !strings.HasPrefix(target2, "/") {
			same = false
		}
		if (err == nil && got == digest) != same {
			t.Errorf("%s: %q %q %q signed, %q %q %q received: digests agree: %v (%v)", parts, method, host, target, method2, host2, target2, !same, err)
		}
	})
}
