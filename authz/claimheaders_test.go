package authz

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// owning is a policy of one rule that owns the claim headers of others, too.
type owning struct {
	Policy
	headers []string
}

func (o owning) ClaimHeaders() []string { return o.headers }

func staff() *Identity {
	return alice(func(id *Identity) { id.Claims = map[string]any{"department": "x7", "floor": "3", "badge": "b9"} })
}

func TestRulesSetClaimHeadersOfTheirOwn(t *testing.T) {
	rule := signing(as(staff()))
	rule.ClaimHeaders = []ClaimHeader{{"x-badge", "badge"}, {"x-who", "email"}}
	o := Options{
		Policy:    owning{only(rule), []string{"x-badge", "x-floor", "x-who"}},
		Assertion: AssertionOptions{ClaimHeaders: map[string]string{"x-who": "sub", "x-user": "sub"}},
	}
	d := newAuthorizer(t, o).Authorize(t.Context(), request(t, "/", HeaderMap{"x_floor": {"99"}, "x-badge": {"forged"}}))
	want := []Field{{"x-user", "alice"}, {"x-badge", "b9"}, {"x-who", "alice@corp.example"}}
	if got := d.Grant().Set()[1:]; !slices.Equal(got, want) {
		t.Errorf("set %v, want %v", got, want)
	}
	for _, name := range []string{"x-floor", "x_floor", "x_badge", "x_who", "x_user"} { // of any rule, in any spelling
		if !slices.Contains(d.Grant().Remove(), name) {
			t.Errorf("%s is not removed: %v", name, d.Grant().Remove())
		}
	}
	public := &Rule{Name: "public", Public: true}
	o.Policy = owning{only(public), []string{"x-badge"}}
	d = newAuthorizer(t, o).Authorize(t.Context(), request(t, "/", HeaderMap{"x-badge": {"forged"}}))
	if !slices.Contains(d.Grant().Remove(), "x-badge") {
		t.Errorf("a public rule lets a rule's header through: %v", d.Grant().Remove())
	}
}

// A header that no other grant removes could be forged there.
func TestRulesSetNoHeaderThatTheirPolicyDoesNotOwn(t *testing.T) {
	rule := signing(as(staff()))
	rule.ClaimHeaders = []ClaimHeader{{"x-badge", "badge"}}
	d := newAuthorizer(t, Options{Policy: only(rule)}).Authorize(t.Context(), request(t, "/", nil))
	if d.Grant() != nil || d.Record.Reason != Fault || !strings.Contains(d.Record.Cause, "x-badge") {
		t.Errorf("%+v", d.Record)
	}
}

func TestClaimHeadersHaveOneSpellingInAllRules(t *testing.T) {
	for _, c := range []struct {
		headers []string
		path    string
	}{
		{[]string{"x-pomerium_jwt-assertion"}, "header"},
		{[]string{"x_user"}, "claim_headers.x-user"},
		{[]string{"x-user", "x-other"}, ""},
	} {
		_, err := New(Options{
			Policy: owning{only(signing()), c.headers}, Signer: edSigner{"k"},
			Assertion: AssertionOptions{ClaimHeaders: map[string]string{"x-user": "sub"}},
		})
		var option *OptionError
		errors.As(err, &option)
		if c.path == "" && err != nil || c.path != "" && (option == nil || option.Path != c.path) {
			t.Errorf("%q: %v, want a mistake at %q", c.headers, err, c.path)
		}
	}
}
