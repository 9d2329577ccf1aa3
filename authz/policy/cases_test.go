package policy_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/policy"
)

// tried runs one case of alice against a few rules.
func tried(t *testing.T, request policy.CaseRequest, expect policy.Expectation) *policy.CaseReport {
	t.Helper()
	cases := policy.Cases{
		Version: 1, Now: "2026-01-05T09:00:00Z",
		Identities: map[string]policy.CaseIdentity{
			"alice": {Source: "corp", Subject: "alice", Groups: []string{"staff"}, Claims: map[string]any{"level": json.Number("3")}},
		},
		Cases: []policy.Case{{Name: "one", As: policy.Callers{"alice"}, Requests: []policy.CaseRequest{request}, Expect: expect}},
	}
	report, err := cases.Run(t.Context(), func(now func() time.Time) (*policy.Rehearsal, error) {
		env := within("corp", "edge")
		env.Now = now
		return policy.Rehearse([]policy.Rule{
			public("open", policy.Match{Paths: []string{"/open"}}),
			{Name: "edge", Audience: "app", Authenticate: []string{"edge"}, Match: policy.Match{Paths: []string{"/edge"}}, Allow: anybody},
			{Name: "trial", Audience: "app", Mode: "report", Authenticate: []string{"corp"}, Match: policy.Match{Paths: []string{"/trial"}}, Allow: policy.Clauses{{Groups: []string{"board"}}}},
			{Name: "here", Audience: "app", Authenticate: []string{"corp"}, Match: policy.Match{
				Paths: []string{"/here"}, Networks: []string{"10.0.0.0/8"}, Extensions: map[string]string{"team": "blue"},
			}, Allow: policy.Clauses{{When: `request.metadata["a.b"].n == 1 && request.headers["x-a"] == "b"`}}},
			{Name: "app", Audience: "app", Authenticate: []string{"corp"}, Deny: policy.Clauses{{Groups: []string{"suspended"}}}, Allow: anybody,
				Claims: map[string]string{"level": "identity.claims.level"}, ClaimHeaders: map[string]string{"x-level": "level"}},
		}, env, authz.AssertionOptions{})
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// anything has to be said, and this is always so.
var anything = policy.Expectation{NoClaims: []string{"nothing"}}

// TestCasesTellWhatDiffers: each expectation that is not met is told, and one that
// is met is not.
func TestCasesTellWhatDiffers(t *testing.T) {
	const app, open, trial = "GET https://a.example/", "GET https://a.example/open", "GET https://a.example/trial"
	for _, c := range []struct {
		request string
		expect  policy.Expectation
		want    string // "" passes
	}{
		{app, policy.Expectation{Outcome: "allow", Reason: "allowed", Rule: "app"}, ""},
		{app, policy.Expectation{Outcome: "deny"}, "outcome is allow (allowed), not deny"},
		{app, policy.Expectation{Reason: "not_allowed"}, `reason is "allowed", not "not_allowed"`},
		{app, policy.Expectation{Rule: "open"}, `rule is "app", not "open"`},
		{app, policy.Expectation{WouldDeny: "not_allowed"}, `would_deny is "", not "not_allowed"`},
		{trial, policy.Expectation{Outcome: "allow", WouldDeny: "not_allowed", Claims: map[string]any{"sub": "corp/alice"}}, ""},
		{"GET https://a.example//", policy.Expectation{Detail: "programs could read the path in different ways"}, ""},
		{app, policy.Expectation{Detail: "x"}, `detail is "", not "x"`},
		{app, policy.Expectation{Claims: map[string]any{"level": json.Number("3"), "groups": []any{"staff"}, "iat": json.Number("1767603590")}, NoClaims: []string{"tenant"}}, ""},
		{app, policy.Expectation{Claims: map[string]any{"level": "3"}}, `claim level is 3, not "3"`},
		{app, policy.Expectation{Claims: map[string]any{"groups": []any{}}}, `claim groups is ["staff"], not []`},
		{app, policy.Expectation{Claims: map[string]any{"tenant": "acme"}}, `claim tenant is missing, not "acme"`},
		{app, policy.Expectation{NoClaims: []string{"level"}}, "claim level is 3, and should be absent"},
		{open, policy.Expectation{Claims: map[string]any{"sub": "alice"}}, `claim sub is missing, not "alice"`},
		{open, policy.Expectation{Headers: map[string]string{"x-level": "", authz.DefaultHeader: ""}}, ""},
		{app, policy.Expectation{Headers: map[string]string{"x-level": "3", authz.DefaultHeader: policy.Unsigned}}, ""},
		{app, policy.Expectation{Headers: map[string]string{"x-level": "4"}}, `header x-level is "3", not "4"`},
		{app, policy.Expectation{Headers: map[string]string{"x-level": ""}}, `header x-level is "3", not ""`},
		{open, policy.Expectation{Headers: map[string]string{"x-level": "3"}}, `header x-level is not set, not to "3"`},
		{"GET https://a.example/edge", policy.Expectation{Reason: "unauthenticated", Rule: "edge"}, ""}, // alice is of another source
		{"get https://a.example/", policy.Expectation{Reason: "malformed_request"}, ""},
	} {
		report := tried(t, policy.CaseRequest{Request: c.request}, c.expect)
		if got := strings.Join(report.Results[0].Wrong, "; "); got != c.want {
			t.Errorf("%s, %+v: %s\nwant %s", c.request, c.expect, got, c.want)
		}
		if want := map[bool]int{true: 0, false: 1}[c.want == ""]; report.Failed() != want {
			t.Errorf("%s, %+v: %d failed", c.request, c.expect, report.Failed())
		}
	}
}

// TestCasesSayWhatEnvoySays: everything that a rule may read of a request.
func TestCasesSayWhatEnvoySays(t *testing.T) {
	whole := policy.CaseRequest{
		Request: "GET https://a.example/here", Client: "::ffff:10.1.2.3", Headers: map[string]string{"x-a": "b"},
		Extensions: map[string]string{"team": "blue"}, Metadata: map[string]any{"a.b": map[string]any{"n": json.Number("1")}},
	}
	for want, edit := range map[string]func(*policy.CaseRequest){
		"here allowed":      func(*policy.CaseRequest) {},
		"app allowed":       func(r *policy.CaseRequest) { r.Client = "192.0.2.1" },
		"here policy_error": func(r *policy.CaseRequest) { r.Metadata = nil },
		"here not_allowed":  func(r *policy.CaseRequest) { r.Headers = map[string]string{"x-a": "c"} },
	} {
		r := whole
		edit(&r)
		rec := tried(t, r, anything).Results[0].Trial.Decision.Record
		if got := rec.Rule + " " + string(rec.Reason); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestRehearsalsKnowTheSizeOfAssertions: also where none is signed, and what is
// denied shows no claims.
func TestRehearsalsKnowTheSizeOfAssertions(t *testing.T) {
	h, err := policy.Rehearse([]policy.Rule{{Name: "app", Audience: "app", Allow: anybody}}, within("corp"),
		authz.AssertionOptions{MaxBytes: 1024, Reuse: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	r, _, _ := policy.ParseRequest("GET https://a.example/")
	for size, want := range map[int]authz.Reason{100: authz.Allowed, 300: authz.Allowed, 450: authz.AssertionTooLarge} {
		for range 2 { // also what could be used again
			trial, err := h.Try(t.Context(), r, nil, authz.NewIdentity(authz.Identity{Source: "corp", Subject: "a", Name: strings.Repeat("n", size)}))
			if err != nil || trial.Decision.Record.Reason != want || (trial.Claims != nil) != (want == authz.Allowed) || (trial.Headers != nil) != (want == authz.Allowed) {
				t.Errorf("%d: %v, want %s, claims %s, headers %v, %v", size, trial.Decision.Record, want, trial.Claims, trial.Headers, err)
			}
		}
	}
}

func TestCoverage(t *testing.T) {
	report := tried(t, policy.CaseRequest{Request: "GET https://a.example/"}, anything)
	var got []string
	for _, rule := range report.Coverage {
		got = append(got, fmt.Sprintf("%s %s %d %v", rule.Rule, rule.Path, rule.Requests, rule.Clauses))
	}
	want := []string{
		"open rules[0] 0 []", "edge rules[1] 0 [{allow[0] 0}]", "trial rules[2] 0 [{allow[0] 0}]", "here rules[3] 0 [{allow[0] 0}]",
		"app rules[4] 1 [{deny[0] 0} {allow[0] 1}]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestParseRequest: the path is what is written, as Envoy passes it on.
func TestParseRequest(t *testing.T) {
	for line, want := range map[string]string{
		"GET https://A.example:8443/v1//x;y?z=/../": "GET https a.example /v1//x;y z=/../ true",
		"GET http://a.example":                      "GET http a.example /  false",
		"GET http://a.example?x":                    "GET http a.example / x false",
		"CONNECT https://a.example:443":             "CONNECT https a.example   false",
		"GET https://[2001:db8::1]:80/%2e":          "GET https 2001:db8::1 /%2e  true",
		"GET https:///":                             "malformed_request",
		"GET https://a_b.example/":                  "malformed_request",
		"GET a.example/":                            "not a request",
		"https://a.example/":                        "not a request",
		"GET https://a.example/ x":                  "not a request",
		"GET https://a.example/#x":                  "not a request",
	} {
		r, unreadable, err := policy.ParseRequest(line)
		got := "not a request"
		switch {
		case unreadable != nil:
			got = string(unreadable.Reason)
		case err == nil:
			got = fmt.Sprintf("%s %s %s %s %s %v", r.Method, r.Scheme, r.Host, r.RawPath, r.Query, r.Ambiguous)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}
