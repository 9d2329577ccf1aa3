package envoy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"privyseal/authz"
)

// usual is a message as Envoy sends it for a browser's request: twenty headers,
// about two kilobytes.
func usual() []byte { return encoded(message(usualHeaders)) }

func usualHeaders(h *authv3.AttributeContext_HttpRequest) {
	h.Id, h.Protocol, h.Size = "1234567890", "HTTP/2", -1
	h.Headers = map[string]string{
		":method": "GET", ":path": "/v1/x?q=1", ":authority": "app.example", ":scheme": "https",
		"authorization": "Bearer " + strings.Repeat("t", 700), "cookie": "session=" + strings.Repeat("c", 200),
		"x-request-id": "0b0a0e0c-1234-4bcd-9abc-0123456789ab", "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https",
		"user-agent": strings.Repeat("Mozilla/5.0 ", 9), "accept": "text/html,application/xhtml+xml", "accept-language": "en",
		"accept-encoding": "gzip, deflate, br", "cache-control": "no-cache",
	}
	for i := range 6 {
		h.Headers[fmt.Sprint("sec-fetch-header-", i)] = "same-origin"
	}
}

// BenchmarkRead compares the walk with the generated types.
func BenchmarkRead(b *testing.B) {
	m := usual()
	b.Run("generated", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var m2 authv3.CheckRequest
			if proto.Unmarshal(m, &m2) != nil {
				b.Fatal()
			}
			referenceRequest(&m2)
		}
	})
	b.Run("walk", func(b *testing.B) {
		b.ReportAllocs()
		s, read := newShape(), &checkRequest{}
		for b.Loop() {
			if read.read(m, s) != nil {
				b.Fatal()
			}
			read.request()
		}
	})
}

// BenchmarkCheck compares whole checks without transport and with a signature
// that costs nothing.
func BenchmarkCheck(b *testing.B) {
	m := usual()
	for name, rule := range map[string]*authz.Rule{"public": {Name: "p", Public: true}, "signed": signing()} {
		a := still(b, rule)
		s := NewServer(a, nil)
		b.Run(name+"/generated", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				referenceCheck(b.Context(), a, m)
			}
		})
		b.Run(name+"/walk", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.buffers.Put(s.check(b.Context(), m).bytes)
			}
		})
	}
}

// BenchmarkWhole is a check with the real parts, without transport.
func BenchmarkWhole(b *testing.B) {
	w := newWhole(b, newRing(b), authz.AssertionOptions{})
	reusing := newWhole(b, newRing(b), authz.AssertionOptions{Reuse: time.Minute})
	for _, c := range []struct {
		name    string
		whole   whole
		message []byte
	}{
		{"public", w, w.public()}, {"token", w, w.token("alice")}, {"certificate", w, w.certificate(b)},
		{"reuse", reusing, reusing.token("alice")},
	} {
		s := NewServer(c.whole, nil)
		b.Run(c.name+"/generated", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				referenceCheck(b.Context(), c.whole, c.message)
			}
		})
		b.Run(c.name+"/walk", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.buffers.Put(s.check(b.Context(), c.message).bytes)
			}
		})
	}
}
