package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"privyseal/authz"
)

// rehearsable are the reasons that a rehearsal can come to.
func rehearsable() []string {
	return []string{
		string(authz.Allowed), string(authz.Public), string(authz.MalformedRequest), string(authz.AmbiguousPath), string(authz.NoRule),
		string(authz.Unauthenticated), string(authz.ExpiredCredential), string(authz.DeniedByRule), string(authz.NotAllowed),
		string(authz.GroupsUnknown), string(authz.PolicyError), string(authz.NoAudience), string(authz.UnsafeClaim), string(authz.AssertionTooLarge),
	}
}

// expectation refuses what could never be, or says nothing.
func (m *caseCompiler) expectation(path string, e *Expectation) {
	if reflect.ValueOf(*e).IsZero() {
		m.wrong(path, errors.New("is missing or says nothing: give at least outcome, allow or deny"))
		return
	}
	if e.Outcome != "" && e.Outcome != string(authz.Allow) && e.Outcome != string(authz.Deny) {
		m.wrong(path+".outcome", fmt.Errorf("%q is neither allow nor deny", e.Outcome))
	}
	for key, reason := range map[string]string{"reason": e.Reason, "would_deny": e.WouldDeny} {
		if reason != "" && !slices.Contains(rehearsable(), reason) {
			m.wrong(path+"."+key, unknown("reason", reason, rehearsable()))
		}
	}
	if e.Rule != "" && !slices.Contains(m.names, e.Rule) {
		m.wrong(path+".rule", unknown("rule", e.Rule, m.names))
	}
}

// differences says in what a trial is not as expected.
func (e *Expectation) differences(t *Trial) (wrong []string) {
	rec := &t.Decision.Record
	if e.Outcome != "" && string(rec.Outcome) != e.Outcome {
		wrong = append(wrong, fmt.Sprintf("outcome is %s (%s), not %s", rec.Outcome, rec.Reason, e.Outcome))
	}
	for _, field := range []struct{ name, want, got string }{
		{"reason", e.Reason, string(rec.Reason)}, {"detail", e.Detail, rec.Detail},
		{"rule", e.Rule, rec.Rule}, {"would_deny", e.WouldDeny, string(rec.WouldDeny)},
	} {
		if field.want != "" && field.got != field.want {
			wrong = append(wrong, fmt.Sprintf("%s is %q, not %q", field.name, field.got, field.want))
		}
	}
	return append(append(wrong, e.claimDifferences(t)...), e.headerDifferences(t)...)
}

func (e *Expectation) claimDifferences(t *Trial) (wrong []string) {
	var got map[string]json.RawMessage
	if t.Claims != nil {
		json.Unmarshal(t.Claims, &got) // our own writer's
	}
	for _, name := range slices.Sorted(maps.Keys(e.Claims)) {
		want, err := json.Marshal(e.Claims[name])
		switch value, present := got[name]; {
		case err != nil:
			wrong = append(wrong, fmt.Sprintf("claim %s: %v", name, err))
		case !present:
			wrong = append(wrong, fmt.Sprintf("claim %s is missing, not %s", name, want))
		case !equalJSON(value, want):
			wrong = append(wrong, fmt.Sprintf("claim %s is %s, not %s", name, value, want))
		}
	}
	for _, name := range e.NoClaims {
		if value, present := got[name]; present {
			wrong = append(wrong, fmt.Sprintf("claim %s is %s, and should be absent", name, value))
		}
	}
	return wrong
}

// equalJSON compares decoded values; numbers as they are written.
func equalJSON(a, b []byte) bool {
	var values [2]any
	for i, text := range [][]byte{a, b} {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if d.Decode(&values[i]) != nil {
			return false
		}
	}
	return reflect.DeepEqual(values[0], values[1])
}

func (e *Expectation) headerDifferences(t *Trial) (wrong []string) {
	got := map[string]string{}
	for _, f := range t.Headers {
		got[f.Name] = f.Value
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		switch value, set := got[name]; {
		case !set && e.Headers[name] != "":
			wrong = append(wrong, fmt.Sprintf("header %s is not set, not to %q", name, e.Headers[name]))
		case value != e.Headers[name]:
			wrong = append(wrong, fmt.Sprintf("header %s is %q, not %q", name, value, e.Headers[name]))
		}
	}
	return wrong
}
