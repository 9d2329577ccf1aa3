package envoy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"privyseal/authz"
)

func question(t *testing.T, method, target string) Question {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return Question{Method: method, URL: u}
}

// request reads a message.
func request(m *authv3.CheckRequest) (*authz.Request, *authz.Denial) {
	var read checkRequest
	if err := read.read(encoded(m), newShape()); err != nil {
		return nil, &authz.Denial{Reason: authz.MalformedRequest, Detail: err.Error()}
	}
	return read.request()
}

func TestRequestIsCanonical(t *testing.T) {
	r, denial := request(message(func(h *authv3.AttributeContext_HttpRequest) {
		h.Host, h.Path = "App.Example.:443", "/caf%C3%A9/%7Ebob?next=/admin#"
	}))
	if denial != nil {
		t.Fatal(denial)
	}
	if r.Host != "app.example" || r.Path != "/café/~bob" || r.RawPath != "/caf%C3%A9/%7Ebob" || r.Query != "next=/admin#" || r.Ambiguous {
		t.Errorf("%+v", r)
	}
}

// TestPathThatHidesBytes: Envoy shows '!' for a byte that is not UTF-8 and sends
// the byte itself to the application.
func TestPathThatHidesBytes(t *testing.T) {
	raw := func(path, header string) *authv3.CheckRequest {
		return message(func(h *authv3.AttributeContext_HttpRequest) {
			h.Path, h.Headers = path, nil
			h.HeaderMap = &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: ":path", RawValue: []byte(header)}}}
		})
	}
	for name, c := range map[string]struct {
		m         *authv3.CheckRequest
		ambiguous bool
	}{
		"raw, the same":     {raw("/a!b", "/a!b"), false},
		"raw, another":      {raw("/adm!in", "/adm\xffin"), true},
		"map, exclamation":  {message(func(h *authv3.AttributeContext_HttpRequest) { h.Path = "/adm!in" }), true},
		"map, in the query": {message(func(h *authv3.AttributeContext_HttpRequest) { h.Path = "/admin?!" }), false},
		"map, plain":        {message(), false},
	} {
		r, denial := request(c.m)
		if denial != nil || r.Ambiguous != c.ambiguous {
			t.Errorf("%s: %+v, %v", name, r, denial)
		}
	}
}

func TestConnectHasNoPath(t *testing.T) {
	r, denial := request(message(func(h *authv3.AttributeContext_HttpRequest) { h.Method, h.Path = "CONNECT", "" }))
	if denial != nil || r.Path != "" {
		t.Errorf("%+v, %v", r, denial)
	}
}

func TestHeadersInBothForms(t *testing.T) {
	inMap := message(func(h *authv3.AttributeContext_HttpRequest) {
		h.Headers = map[string]string{":method": "GET", "authorization": "Bearer a,Bearer b", "X-Odd": "1"}
	})
	inList := message(func(h *authv3.AttributeContext_HttpRequest) {
		h.Headers = nil
		h.HeaderMap = &corev3.HeaderMap{Headers: []*corev3.HeaderValue{
			{Key: ":method", RawValue: []byte("GET")},
			{Key: "authorization", RawValue: []byte("Bearer a")},
			{Key: "Authorization", RawValue: []byte("Bearer b")},
			{Key: "x-odd", Value: "1"},
		}}
	})
	for name, c := range map[string]struct {
		m    *authv3.CheckRequest
		want []string
	}{"map": {inMap, []string{"Bearer a,Bearer b"}}, "list": {inList, []string{"Bearer a", "Bearer b"}}} {
		r, denial := request(c.m)
		if denial != nil {
			t.Fatal(denial)
		}
		if got := r.Headers.Values("authorization"); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
		if got := r.Headers.Values("x-odd"); !slices.Equal(got, []string{"1"}) {
			t.Errorf("%s: %q", name, got)
		}
		for n := range r.Headers.All() {
			if n[0] == ':' || n != "authorization" && n != "x-odd" {
				t.Errorf("%s: yields %q", name, n)
			}
		}
	}
}

func TestFactsAreEnvoysWord(t *testing.T) {
	m := message()
	m.Attributes.ContextExtensions = map[string]string{"audience": "orders"}
	claims, _ := structpb.NewStruct(map[string]any{"payload": map[string]any{"sub": "alice"}})
	m.Attributes.MetadataContext = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"jwt": claims}}
	m.Attributes.Source = &authv3.AttributeContext_Peer{Address: socketAddress("::ffff:192.0.2.1"), Principal: "spiffe://td/a"}
	r, _ := request(m)
	if r.Facts.Extension("audience") != "orders" || r.Client.String() != "192.0.2.1" {
		t.Errorf("%+v", r)
	}
	if got, err := r.Facts.Metadata("jwt"); err != nil || got["payload"].(map[string]any)["sub"] != "alice" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := r.Facts.Metadata("other"); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	if principal, leaf, err := r.Facts.Peer(); principal != "spiffe://td/a" || leaf != nil || err != nil {
		t.Errorf("%s %v %v", principal, leaf, err)
	}
}

func TestPeerCertificate(t *testing.T) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a+b"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	for name, c := range map[string]struct {
		certificate string
		ok          bool
	}{
		"Envoy's encoding": {url.PathEscape(text), true},
		"query encoding":   {strings.ReplaceAll(url.QueryEscape(text), "+", "%20"), true},
		"bad escape":       {"%zz", false},
		"not PEM":          {"hello", false},
		"a key":            {url.PathEscape("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), false},
		"two certificates": {url.PathEscape(text + text), false},
		"truncated DER":    {url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der[:40]}))), false},
	} {
		m := message()
		m.Attributes.Source = &authv3.AttributeContext_Peer{Certificate: c.certificate}
		r, _ := request(m)
		_, leaf, err := r.Facts.Peer()
		if (err == nil) != c.ok || (leaf != nil) != c.ok {
			t.Errorf("%s: %v, %v", name, leaf, err)
		}
	}
}
