//go:build !race

package envoy

import (
	"testing"
	"time"

	"privyseal/authz"
)

// TestAllocationBudgets holds whole checks, without transport, observer and the
// signature itself, to a number of allocations. The race detector would add its
// own.
func TestAllocationBudgets(t *testing.T) {
	w := newWhole(t, signer{}, authz.AssertionOptions{})
	reusing := newWhole(t, signer{}, authz.AssertionOptions{Reuse: time.Minute})
	for _, c := range []struct {
		name    string
		whole   whole
		message []byte
		budget  float64
	}{
		{"public route", w, w.public(), 8},
		{"cached token, signed", w, w.token("alice"), 16},
		{"cached token, reused", reusing, reusing.token("alice"), 16},
		{"peer certificate, signed", w, w.certificate(t), 15},
	} {
		s := NewServer(c.whole, nil)
		m := checked(t.Context(), s, c.message) // which also fills caches
		if !consistent(t, m) {
			t.Fatalf("%s: %v", c.name, m)
		}
		got := testing.AllocsPerRun(200, func() { s.buffers.Put(s.check(t.Context(), c.message).bytes) })
		if got > c.budget {
			t.Errorf("%s: %v allocations, budget %v", c.name, got, c.budget)
		}
	}
}
