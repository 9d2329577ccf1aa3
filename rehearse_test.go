package privyseal

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/policy"
)

// rehearsedRules are behind houseConfig's one rule: claims, headers, report mode.
const rehearsedRules = `assertion: {claim_headers: {x-who: sub}}
rules:
  - {name: open, match: {hosts: [app.example], paths: [/open]}, public: true}
  - name: trial
    match: {hosts: [app.example], paths: [/trial]}
    audience: app
    mode: report
    allow: {groups: [board]}
  - name: app
    match: {hosts: [app.example]}
    audience: app
    bind: [method, path]
    claims: {first: 'identity.groups[0]'}
    claim_headers: {x-first: first}
    deny: {when: 'request.path.startsWith("/internal")', detail: internal}
    allow: {groups: [staff]}
`

// TestARehearsalDecidesAsAService: what it says of an identity is what a service
// does with a token of that identity.
func TestARehearsalDecidesAsAService(t *testing.T) {
	h := newHouse(t)
	h.Close()
	config := read(t, h.dir, "privyseal.yaml")
	h.write("privyseal.yaml", config[:strings.Index(config, "rules:")]+rehearsedRules)
	load := LoadOptions{Path: filepath.Join(h.dir, "privyseal.yaml"), Environ: []string{}}
	service, err := New(ServiceOptions{Load: load})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	if err := os.Remove(filepath.Join(h.dir, "keys.pem")); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(load)
	if err != nil {
		t.Fatal(err)
	}
	rehearsal, err := loaded.Rehearse(nil)
	if err != nil {
		t.Fatal(err) // also without keys
	}
	outcomes := map[authz.Reason]int{}
	for _, line := range []string{"GET https://app.example/v1?x=1", "GET https://app.example/open", "GET https://app.example/trial", "POST https://app.example/internal/x", "GET https://app.example/a//b", "GET https://else.example/"} {
		for _, groups := range [][]string{{"staff"}, {"board", "staff"}, {"guests"}, nil} {
			r, unreadable, err := policy.ParseRequest(line)
			if err != nil || unreadable != nil {
				t.Fatal(err, unreadable)
			}
			var id *authz.Identity
			if groups != nil {
				token := h.issuer.Assertion("api", "alice", map[string]any{"groups": groups})
				r.Headers = authz.HeaderMap{"authorization": {"Bearer " + token}}
				id = authz.NewIdentity(authz.Identity{Source: "corp", Issuer: h.issuer.URL, Subject: "alice", Groups: groups})
			}
			served := service.Authorize(t.Context(), r)
			r.Headers = authz.HeaderMap{}
			trial, err := rehearsal.Try(t.Context(), r, nil, id)
			if err != nil {
				t.Fatal(err)
			}
			a, b := served.Record, trial.Decision.Record
			if a.Outcome != b.Outcome || a.Reason != b.Reason || a.Rule != b.Rule || a.WouldDeny != b.WouldDeny || a.Detail != b.Detail {
				t.Errorf("%s of %q:\nserved    %+v\nrehearsed %+v", line, groups, a, b)
			}
			if got, want := granted(t, &trial.Decision, trial.Claims), granted(t, &served, nil); !reflect.DeepEqual(got, want) {
				t.Errorf("%s of %q:\nserved    %v\nrehearsed %v", line, groups, want, got)
			}
			outcomes[b.Reason]++
		}
	}
	for _, reason := range []authz.Reason{authz.Allowed, authz.Public, authz.Unauthenticated, authz.NotAllowed, authz.DeniedByRule, authz.AmbiguousPath, authz.NoRule} {
		if outcomes[reason] == 0 {
			t.Errorf("no request comes to %s: %v", reason, outcomes)
		}
	}
}

// granted is what an application is told, without the moment.
func granted(t *testing.T, d *authz.Decision, claims []byte) map[string]any {
	t.Helper()
	if d.Grant() == nil {
		return nil
	}
	told := map[string]any{}
	for _, f := range d.Grant().Set() {
		told[f.Name] = f.Value
	}
	if jws, ok := told[authz.DefaultHeader].(string); ok && claims == nil {
		parts := strings.Split(jws, ".")
		if len(parts[0]) != 134 || len(parts[2]) != 86 { // what a rehearsal takes them to be
			t.Errorf("header of %d bytes, signature of %d", len(parts[0]), len(parts[2]))
		}
		var err error
		if claims, err = base64.RawURLEncoding.DecodeString(parts[1]); err != nil {
			t.Fatal(err)
		}
	}
	delete(told, authz.DefaultHeader) // the one is no token
	if claims != nil {
		var members map[string]any
		if err := json.Unmarshal(claims, &members); err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(members, func(name string, _ any) bool {
			return slices.Contains([]string{"iat", "exp", "jti", "name", "email", "sid"}, name)
		})
		told["claims"] = members
	}
	return told
}

// TestExamplePolicies runs the tests of the policies we ship, as `privyseal policy
// test --cover` does: every rule and clause is tested.
func TestExamplePolicies(t *testing.T) {
	files, err := filepath.Glob("examples/policies/*_test.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files of cases, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			file, err := LoadCases(LoadOptions{Path: name})
			if err != nil {
				t.Fatal(err)
			}
			mustPass(t, file)
		})
	}
}

// TestTheReadmesRulesAreTested: they are those of an example policy.
func TestTheReadmesRulesAreTested(t *testing.T) {
	if page := read(t, ".", "README.md"); !strings.Contains(page, "```yaml\n"+read(t, "examples/policies", "orders.yaml")+"```") {
		t.Error("README.md does not hold examples/policies/orders.yaml")
	}
}

func mustPass(t *testing.T, file *CaseFile) {
	t.Helper()
	report, err := file.Run(t.Context(), func(now func() time.Time) (*policy.Rehearsal, error) {
		config, err := Load(LoadOptions{Path: file.Config, Environ: []string{}})
		if err != nil {
			return nil, err
		}
		return config.Rehearse(now)
	}, nil)
	if err != nil {
		t.Fatal(file.Problems(err))
	}
	for _, r := range report.Results {
		for _, wrong := range r.Wrong {
			t.Errorf("%s: %s, %s: %s", r.Case, r.Caller, r.Request, wrong)
		}
	}
	for _, rule := range report.Coverage {
		if rule.Requests == 0 {
			t.Errorf("rule %s is not tested", rule.Rule)
		}
		for _, c := range rule.Clauses {
			if c.Decided == 0 {
				t.Errorf("rule %s: %s is not tested", rule.Rule, c.Path)
			}
		}
	}
}

// TestMistakesInCases: each has its line and column.
func TestMistakesInCases(t *testing.T) {
	config, err := Load(LoadOptions{Source: []byte("version: 1\nissuer: https://seal.example\n" +
		"identity: [{jwt: {name: corp, issuer: https://idp.example, audiences: [api]}}]\n" +
		"rules: [{name: orders, audience: a, allow: {groups: [staff]}}]\n"), Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	const good = "version: 1\nidentities:\n  alice: {source: corp, subject: alice}\ncases:\n  - name: a\n    as: alice\n" +
		"    requests: [GET https://a.example/]\n    expect: {outcome: deny}\n"
	for old, c := range map[string]struct{ instead, want string }{
		"":                     {"", ""},
		"version: 1":           {"version: 2", `cases.yaml:1:10: version: is not 1`},
		"cases:":               {"case:", `cases.yaml:4:1: unknown key "case"`},
		"source: corp":         {"source: crop", `cases.yaml:3:19: identities.alice.source: "crop" is not a source; did you mean corp?`},
		", subject: alice":     {"", `identities.alice.subject: is missing`},
		"alice}\n":             {"alice, thumbprint: x5t}\n", `identities.alice.thumbprint: is not the SHA-256 of a certificate`},
		"  alice: {":           {"  nobody: {", `identities.nobody: is the caller without credentials`},
		"as: alice":            {"as: [bob]", `cases.yaml:6:10: cases[0].as[0]: "bob" is not a known identity; known: alice, nobody`},
		"[GET https":           {"[GET ftps", `cases.yaml:7:16: cases[0].requests[0]: is not a method and a URL`},
		"outcome: deny":        {"outcome: denied", `cases.yaml:8:23: cases[0].expect.outcome: "denied" is neither allow nor deny`},
		"{outcome: deny}":      {"{}", `cases[0].expect: is missing or says nothing`},
		"expect: {outcome":     {"expect: {reason", `"deny" is not a reason`},
		"deny}":                {"deny, rule: order}", `"order" is not a rule; did you mean orders?`},
		"alice}":               {"alice, claims: {n: .5}}", `identities.alice.claims.n: is not a number as JSON writes it`},
		"    expect":           {"    now: noon\n    expect", `cases.yaml:8:10: cases[0].now: is not a time such as`},
		"[GET https://a":       {"[{request: GET https://a.example/, client: home}, GET https://a", `cases[0].requests[0].client: is not an IP address`},
		"  - name: a":          {"  - {name: a, requests: [GET https://b.example/], expect: {outcome: deny}}\n  - name: a", `cases[1].name: is the name of another case`},
		"requests: [GET https": {"requests: []\n    ass: [GET https", `unknown key "ass"`},
	} {
		var told error
		file, err := LoadCases(LoadOptions{Path: "cases.yaml", Source: []byte(strings.Replace(good, old, c.instead, 1))})
		if told = err; err == nil {
			_, err := file.Run(t.Context(), config.Rehearse, nil)
			told = file.Problems(err)
		}
		switch {
		case c.want == "" && told != nil:
			t.Error(told)
		case c.want != "" && (told == nil || !strings.Contains(told.Error(), c.want)):
			t.Errorf("%s: %v\nwant %s", c.instead, told, c.want)
		}
	}
}
