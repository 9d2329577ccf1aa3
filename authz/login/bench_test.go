package login_test

import (
	"strings"
	"testing"

	"privyseal/authz"
)

// BenchmarkSession is a request with a session in a cookie: opened, checked
// against logouts, decided, its cookie hidden. The signature is a stub.
func BenchmarkSession(b *testing.B) {
	w := newWorld(b)
	jar := w.loggedIn().cookies["app.example"]
	r, denial := authz.NewRequest("GET", "https", "app.example", "/orders")
	if denial != nil {
		b.Fatal(denial)
	}
	var pairs []string
	for name, value := range jar {
		pairs = append(pairs, name+"="+value)
	}
	r.Headers = authz.HeaderMap{"cookie": {strings.Join(pairs, "; ")}}
	b.ReportAllocs()
	for b.Loop() {
		if d := w.gate.Authorize(b.Context(), r); d.Grant() == nil {
			b.Fatal(d.Record.Reason, d.Record.Cause)
		}
	}
}
