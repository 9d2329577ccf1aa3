package authz

import (
	"context"
	"errors"
	"testing"
)

// reporting is a rule in report mode with a verdict.
func reporting(err error, list ...Authenticator) *Rule {
	rule := signing(list...)
	rule.Report = true
	rule.Judge = judgeFunc(func(context.Context, *Request, *Identity) (Extra, error) {
		return Extra{Claims: []Claim{{"tier", "gold"}}}, err
	})
	return rule
}

func TestReportModeLetsThroughWhatNoAllowClauseAdmits(t *testing.T) {
	admitting := reporting(nil)
	admitting.Report = false
	refused := &Denial{Reason: NotAllowed, Detail: "not of staff"}
	a := newAuthorizer(t, Options{Policy: only(reporting(refused))})
	d := a.Authorize(t.Context(), request(t, "/", nil))
	enforced := newAuthorizer(t, Options{Policy: only(admitting)})
	plain := enforced.Authorize(t.Context(), request(t, "/", nil))
	if d.Grant() == nil || d.Grant().Set()[0] != plain.Grant().Set()[0] {
		t.Fatalf("granted %+v, want what an allowed request is given: %+v", d.Grant(), plain.Grant())
	}
	r := d.Record
	if r.Outcome != Allow || r.Reason != Allowed || r.WouldDeny != NotAllowed || r.WouldDenyDetail != "not of staff" || r.JWTID == "" {
		t.Errorf("%+v", r)
	}
	if plain.Record.WouldDeny != "" {
		t.Errorf("an allowed request would be denied: %+v", plain.Record)
	}
}

// TestReportModeWaivesNothingElse: whoever is not known, is refused in words, or
// cannot be judged stays out.
func TestReportModeWaivesNothingElse(t *testing.T) {
	for name, c := range map[string]struct {
		rule *Rule
		want Reason
	}{
		"no credential":           {reporting(nil, failing(ErrNoCredential)), Unauthenticated},
		"invalid credential":      {reporting(nil, failing(&Denial{Reason: InvalidCredential})), InvalidCredential},
		"not allowed, by a token": {reporting(nil, failing(&Denial{Reason: NotAllowed})), NotAllowed},
		"deny clause":             {reporting(&Denial{Reason: DeniedByRule}), DeniedByRule},
		"groups unknown":          {reporting(&Denial{Reason: GroupsUnknown}), GroupsUnknown},
		"clause not evaluated":    {reporting(&Denial{Reason: PolicyError}), PolicyError},
		"stronger login":          {reporting(&Denial{Reason: NotAllowed, StepUp: &StepUp{ACR: []string{"mfa"}}}), NotAllowed},
		"fault":                   {reporting(errBroken), Fault},
		"fault with a denial":     {reporting(errors.Join(errBroken, &Denial{Reason: NotAllowed})), NotAllowed},
		"no denial at all":        {reporting((*Denial)(nil)), Fault},
	} {
		a := newAuthorizer(t, Options{Policy: only(c.rule)})
		d := a.Authorize(t.Context(), request(t, "/", nil))
		if d.Grant() != nil || d.Record.Reason != c.want || d.Record.WouldDeny != "" {
			t.Errorf("%s: %+v, granted %v, want %s", name, d.Record, d.Grant() != nil, c.want)
		}
	}
}

// A grant that fails later on is a denial like any other.
func TestReportModeNeedsAnAssertion(t *testing.T) {
	broken := signerFunc(func(context.Context, []byte) (string, string, error) { return "", "", errBroken })
	a := newAuthorizer(t, Options{Policy: only(reporting(&Denial{Reason: NotAllowed})), Signer: broken})
	if d := a.Authorize(t.Context(), request(t, "/", nil)); d.Grant() != nil || d.Record.Reason != SigningFailed || d.Record.WouldDeny != "" {
		t.Errorf("%+v", d.Record)
	}
}
