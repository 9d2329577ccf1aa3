package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/policy"
)

var loopback10 = netip.MustParseAddr("10.1.2.3")

// monday is the clock of the tests.
var monday = time.Date(2026, 11, 23, 5, 30, 0, 0, time.FixedZone("", 2*60*60))

func clocked() policy.Env {
	env := within("corp")
	env.Now = func() time.Time { return monday }
	return env
}

// full is a request and a caller about whom everything is said.
func full(t testing.TB) (*authz.Request, authz.Identity) {
	r := request(t, "GET shop.example /v1/caf%C3%A9?a=b")
	r.Client = loopback10
	r.Headers = authz.HeaderMap{"x-tenant": {"acme"}, "x-twice": {"a", "b"}, "x-list": {"a,b"}, "x-empty": {""}}
	r.Facts = facts{extensions: map[string]string{"audience": "shop"}, metadata: map[string]any{"payload": map[string]any{"sub": "alice", "level": 2.0}}}
	return r, authz.Identity{
		Source: "corp", Issuer: "https://idp.example", Subject: "alice", Session: "s1", Name: "Alice", ACR: "urn:mfa",
		Email: "Alice@Example.com", EmailVerified: true, Groups: []string{"staff", "eng/web"}, AMR: []string{"pwd", "otp"},
		AuthTime: monday.Add(-time.Hour),
		Claims: map[string]any{
			"tenant": "acme", "level": json.Number("3"), "ratio": json.Number("0.5"), "huge": json.Number("1e999"), "admin": true, "nothing": nil,
			"roles": []any{"a", json.Number("1")}, "deep": map[string]any{"er": map[string]any{"est": "x"}},
		},
	}
}

type facts struct {
	authz.NoFacts
	extensions map[string]string
	metadata   map[string]any
	err        error
}

func (f facts) Extension(key string) string { return f.extensions[key] }
func (f facts) Metadata(namespace string) (map[string]any, error) {
	if namespace != "jwt" {
		return nil, nil
	}
	return f.metadata, f.err
}

// asked judges by a rule and returns "allowed", or the reason and the cause.
func asked(t testing.TB, rule policy.Rule, r *authz.Request, id authz.Identity) string {
	t.Helper()
	rule.Name, rule.Audience = "rule", "app"
	if rule.Allow == nil {
		rule.Allow = anybody
	}
	_, err := compile(t, clocked(), rule).Rules()[0].Judge.Judge(t.Context(), r, authz.NewIdentity(id))
	return outcome(err)
}

func outcome(err error) string {
	var denial *authz.Denial
	switch {
	case err == nil:
		return "allowed"
	case !errors.As(err, &denial):
		return "fault: " + err.Error()
	case denial.Unwrap() != nil:
		return string(denial.Reason) + ": " + denial.Unwrap().Error()
	}
	return string(denial.Reason)
}

func when(expression string) policy.Clauses { return policy.Clauses{{When: expression}} }

// TestConditions asks each condition as the only allow clause, and its opposite
// as the only deny clause.
func TestConditions(t *testing.T) {
	for condition, want := range map[string]bool{
		"true":                                                                true,
		"false":                                                               false,
		`request.method == "GET"`:                                             true,
		`request.scheme == "https"`:                                           true,
		`request.host == "shop.example"`:                                      true,
		`request.path == "/v1/café"`:                                          true,
		`request.raw_path == "/v1/caf%C3%A9"`:                                 true,
		`request.query == "a=b"`:                                              true,
		`request.path.startsWith("/v2/")`:                                     false,
		`request.path.matches("^/v[0-9]+/")`:                                  true,
		`request.path.split("/")[1] == "v1"`:                                  true,
		`request.time.getHours() == 3`:                                        true,
		`request.time.getHours("+02:00") == 5`:                                true,
		`request.time.getDayOfWeek("UTC") == 1`:                               true,
		`request.headers["x-tenant"] == "acme"`:                               true,
		`request.headers["x-empty"] == ""`:                                    true,
		`"x-tenant" in request.headers`:                                       true,
		`"x-absent" in request.headers`:                                       false,
		`"x-twice" in request.headers`:                                        true,
		`has(request.headers.cookie)`:                                         false,
		`request.headers[?"x-tenant"].hasValue()`:                             true,
		`request.headers[?"x-none"].orValue("-") == "-"`:                      true,
		`request.context_extensions["audience"] == "shop"`:                    true,
		`"team" in request.context_extensions`:                                false,
		`request.metadata["jwt"].payload.sub == "alice"`:                      true,
		`request.metadata["jwt"].payload.level > 1`:                           true,
		`"other" in request.metadata`:                                         false,
		`cidr("10.0.0.0/8").containsIP(request.client)`:                       true,
		`request.client == ip("10.1.2.3")`:                                    true,
		`request.client.isLoopback()`:                                         false,
		`identity.source == "corp" && identity.issuer.startsWith("https://")`: true,
		`identity.subject == "alice"`:                                         true,
		`identity.session == "s1" && identity.name == "Alice"`:                true,
		`identity.acr == "urn:mfa" && "otp" in identity.amr`:                  true,
		`identity.email == "alice@example.com"`:                               true,
		`identity.email_verified`:                                             true,
		`"staff" in identity.groups`:                                          true,
		`"Staff" in identity.groups`:                                          false,
		`identity.groups.exists(g, g.startsWith("eng/"))`:                     true,
		`identity.groups.all(g, g != "suspended")`:                            true,
		`sets.intersects(identity.groups, ["staff", "board"])`:                true,
		`sets.contains(identity.groups, ["staff", "board"])`:                  false,
		`request.time - identity.auth_time < duration("15m")`:                 false,
		`identity.claims.tenant == "acme"`:                                    true,
		`identity.claims.tenant == request.headers["x-tenant"]`:               true,
		`identity.claims.level == 3 && identity.claims.level >= 2.5`:          true,
		`identity.claims.ratio == 0.5`:                                        true,
		`identity.claims.admin == true`:                                       true,
		`identity.claims.nothing == null`:                                     true,
		`"a" in identity.claims.roles && 1 in identity.claims.roles`:          true,
		`identity.claims.deep.er.est == "x"`:                                  true,
		`has(identity.claims.tenant) && !has(identity.claims.absent)`:         true,
		`identity.claims.?absent.orValue("x") == "x"`:                         true,
		`false && identity.claims.absent == "x"`:                              false,
		`identity.claims.absent == "x" || true`:                               true,
	} {
		r, id := full(t)
		allowed, denied := "not_allowed", "denied_by_rule"
		if want {
			allowed, denied = "allowed", "allowed"
		}
		if got := asked(t, policy.Rule{Allow: when(condition)}, r, id); got != allowed {
			t.Errorf("allow %s: %s, want %s", condition, got, allowed)
		}
		if got := asked(t, policy.Rule{Deny: when("!(" + condition + ")")}, r, id); got != denied {
			t.Errorf("deny unless %s: %s, want %s", condition, got, denied)
		}
	}
}

// TestKeysAndConditionsOfAClauseAllHold: a condition is not asked about callers
// whom the other keys leave out.
func TestKeysAndConditionsOfAClauseAllHold(t *testing.T) {
	r, id := full(t)
	for _, c := range []struct {
		clause policy.Clause
		want   string
	}{
		{policy.Clause{Groups: []string{"staff"}, When: "true"}, "allowed"},
		{policy.Clause{Groups: []string{"staff"}, When: "false"}, "not_allowed"},
		{policy.Clause{Groups: []string{"board"}, When: "1/0 == 1"}, "not_allowed"},
		{policy.Clause{From: []string{}, When: "1/0 == 1"}, "not_allowed"},
		{policy.Clause{Authenticated: true, When: "true"}, "allowed"},
	} {
		if got := asked(t, policy.Rule{Allow: policy.Clauses{c.clause}}, r, id); got != c.want {
			t.Errorf("%+v: %s, want %s", c.clause, got, c.want)
		}
	}
}

// TestWhatIsNotKnownDenies: in an allow clause and in a deny clause, whichever
// way the condition leans.
func TestWhatIsNotKnownDenies(t *testing.T) {
	for condition, c := range map[string]struct {
		edit  func(*authz.Request, *authz.Identity)
		cause string
	}{
		`identity.email == "alice@example.com"`:              {func(_ *authz.Request, id *authz.Identity) { id.Email = "" }, "identity.email is absent; ask has(identity.email) first"},
		`identity.email != "eve@example.com"`:                {func(_ *authz.Request, id *authz.Identity) { id.Email = "a@b@c.example" }, "does not hold exactly one '@'"},
		`"staff" in identity.groups`:                         {func(_ *authz.Request, id *authz.Identity) { id.GroupsUnknown = true }, "could not list all groups"},
		`!("eng/web" in identity.groups)`:                    {func(_ *authz.Request, id *authz.Identity) { id.GroupsAbsent = true }, "identity.groups is absent"},
		`has(identity.groups) && "x" in identity.groups`:     {func(_ *authz.Request, id *authz.Identity) { id.GroupsUnknown = true }, "could not list all groups"},
		`identity.acr != "low"`:                              {func(_ *authz.Request, id *authz.Identity) { id.ACR = "" }, "identity.acr is absent"},
		`identity.name != "x"`:                               {func(_ *authz.Request, id *authz.Identity) { id.Name = "" }, "identity.name is absent"},
		`identity.session != "x"`:                            {func(_ *authz.Request, id *authz.Identity) { id.Session = "" }, "identity.session is absent"},
		`!("x" in identity.amr)`:                             {func(_ *authz.Request, id *authz.Identity) { id.AMR = nil }, "identity.amr is absent"},
		`identity.auth_time < request.time`:                  {func(_ *authz.Request, id *authz.Identity) { id.AuthTime = time.Time{} }, "identity.auth_time is absent"},
		`identity.claims.tenant == "acme"`:                   {func(_ *authz.Request, id *authz.Identity) { id.Claims = nil }, "what it reads is absent"},
		`!request.client.isLoopback()`:                       {func(r *authz.Request, _ *authz.Identity) { r.Client = netip.Addr{} }, "request.client is absent"},
		`request.headers["x-none"] != "a"`:                   {nil, "what it reads is absent"},
		`request.headers["x-twice"] == "a"`:                  {nil, "a header is repeated"},
		`request.headers["x-list"].startsWith("a")`:          {nil, "holds a comma"},
		`request.context_extensions["team"] != "a"`:          {nil, "what it reads is absent"},
		`request.metadata["other"].a != "a"`:                 {nil, "what it reads is absent"},
		`request.metadata["jwt"].a != "a"`:                   {func(r *authz.Request, _ *authz.Identity) { r.Facts = facts{err: errors.New("secret")} }, "request.metadata is malformed"},
		`identity.claims.huge > 1`:                           {nil, "a function failed"},
		`identity.claims.tenant > 1`:                         {nil, "a value is of another type than it needs"},
		`identity.claims.roles.exists(r, r.startsWith("x"))`: {nil, "a value is of another type than it needs"},
		`identity.groups[7] == "x"`:                          {nil, "a list is shorter than it needs"},
		`1 / (identity.groups.size() - 2) == 1`:              {nil, "a division by zero"},
		`int(request.headers["x-tenant"]) == 1`:              {nil, "a value cannot be converted"},
		`{"a": 1}[request.headers["x-tenant"]] == 1`:         {nil, "what it reads is absent"},
		`ip(request.headers["x-tenant"]).isLoopback()`:       {nil, "a function failed"},
		`identity.groups.map(a, identity.groups.map(b, request.path + a + b)).size() > 0`: {func(_ *authz.Request, id *authz.Identity) {
			id.Groups = slices.Repeat([]string{"group"}, 500)
		}, "it costs more than 100000 units for this request"},
		`request.path.matches("^/(a|b)")`: {func(r *authz.Request, _ *authz.Identity) { r.Path = "/" + strings.Repeat("a", 8192) }, "a text is longer than 8192 bytes"},
		`request.query.matches("^(a|b)")`: {func(r *authz.Request, _ *authz.Identity) { r.Query = strings.Repeat("a", 8193) }, "a text is longer than 8192 bytes"},
		`request.headers["x-long"].matches("^(a|b)")`: {func(r *authz.Request, _ *authz.Identity) {
			r.Headers = authz.HeaderMap{"x-long": {strings.Repeat("a", 8193)}}
		}, "a text is longer than 8192 bytes"},
		`request.headers["x-tenant"] == "acme"`: {func(r *authz.Request, _ *authz.Identity) { r.Headers = panicking{} }, "a function failed"},
	} {
		for kind, rule := range map[string]policy.Rule{
			"allow": {Allow: when(condition)}, "deny": {Deny: when(condition)}, "deny[0].when of": {Deny: when("!(" + condition + ")")},
		} {
			r, id := full(t)
			if c.edit != nil {
				c.edit(r, &id)
			}
			got := asked(t, rule, r, id)
			if !strings.HasPrefix(got, "policy_error: ") || !strings.Contains(got, c.cause) || !strings.Contains(got, "[0].when") {
				t.Errorf("%s %s: %s, want ...%s...", kind, condition, got, c.cause)
			}
			if strings.Contains(got, "acme") || strings.Contains(got, "secret") {
				t.Errorf("%s %s: the cause quotes a value: %s", kind, condition, got)
			}
		}
	}
}

type panicking struct{ authz.HeaderMap }

func (panicking) Values(string) []string         { panic("acme") }
func (panicking) All() iter.Seq2[string, string] { return authz.HeaderMap{}.All() }

// TestAddressesInConditions: allow clauses see an address that somebody vouches
// for, deny clauses any.
func TestAddressesInConditions(t *testing.T) {
	trusting := clocked()
	trusting.Sources[0].TrustEmail = true
	const vouched = `identity.email_verified && identity.email.endsWith("@example.com")`
	const plain = `identity.email.endsWith("@example.com")`
	for _, c := range []struct {
		env      policy.Env
		email    string
		verified bool
		rule     policy.Rule
		want     authz.Reason
	}{
		{clocked(), "a@example.com", true, policy.Rule{Allow: when(plain)}, authz.Allowed},
		{clocked(), "A@EXAMPLE.com", true, policy.Rule{Allow: when(plain)}, authz.Allowed},
		{clocked(), "a@example.com", false, policy.Rule{Allow: when(plain)}, authz.PolicyError},
		{clocked(), "a@example.com", false, policy.Rule{Allow: when(vouched)}, authz.NotAllowed},
		{clocked(), "a@example.com", false, policy.Rule{Allow: when("!" + plain)}, authz.PolicyError},
		{trusting, "a@example.com", false, policy.Rule{Allow: when(vouched)}, authz.Allowed},
		{trusting, "a@x@example.com", false, policy.Rule{Allow: when(vouched)}, authz.PolicyError},
		{clocked(), "a@example.com", false, policy.Rule{Deny: when(plain)}, authz.DeniedByRule},
		{clocked(), "a@example.com.", false, policy.Rule{Deny: when(plain)}, authz.DeniedByRule},
		{clocked(), "a@x@example.com", false, policy.Rule{Deny: when(plain)}, authz.PolicyError},
		{clocked(), "a@elsewhere.example", false, policy.Rule{Deny: when(plain)}, authz.Allowed},
		{clocked(), "", false, policy.Rule{Deny: when(plain)}, authz.PolicyError},
		{clocked(), "", false, policy.Rule{Deny: when("has(identity.email) && " + plain)}, authz.Allowed},
	} {
		c.rule.Name, c.rule.Audience = "rule", "app"
		if c.rule.Allow == nil {
			c.rule.Allow = anybody
		}
		id := authz.NewIdentity(authz.Identity{Source: "corp", Subject: "a", Email: c.email, EmailVerified: c.verified})
		_, err := compile(t, c.env, c.rule).Rules()[0].Judge.Judge(t.Context(), request(t, "GET a.example /"), id)
		got := authz.Allowed
		if denial := (*authz.Denial)(nil); errors.As(err, &denial) {
			got = denial.Reason
		}
		if got != c.want {
			t.Errorf("%q verified %v, %+v: %s, want %s", c.email, c.verified, c.rule, got, c.want)
		}
	}
}

// TestConditionsReadPaths: a rule whose expression reads the path counts as one
// that reads it when a path is ambiguous.
func TestConditionsReadPaths(t *testing.T) {
	for _, c := range []struct {
		rule policy.Rule
		want authz.Reason
	}{
		{policy.Rule{Allow: when(`request.path == "/"`)}, authz.AmbiguousPath},
		{policy.Rule{Allow: when(`request.raw_path == "/"`)}, authz.AmbiguousPath},
		{policy.Rule{Allow: when(`request.query == ""`)}, authz.AmbiguousPath},
		{policy.Rule{Allow: when(`request.?path.orValue("") == "/"`)}, authz.AmbiguousPath},
		{policy.Rule{Allow: when(`has(request.path)`)}, authz.AmbiguousPath},
		{policy.Rule{Allow: when(`.request.path == "/"`)}, authz.AmbiguousPath},
		{policy.Rule{Allow: when(`request.?path.optMap(p, p == "/").orValue(false)`)}, authz.AmbiguousPath},
		{policy.Rule{Allow: when(`identity.groups.exists(g, request.path == g)`)}, authz.AmbiguousPath},
		{policy.Rule{Allow: anybody, Deny: when(`request.path == "/"`)}, authz.AmbiguousPath},
		{policy.Rule{Allow: anybody, Claims: map[string]string{"place": "request.path"}}, authz.AmbiguousPath},
		{policy.Rule{Allow: when(`request.method == "GET"`)}, ""},
	} {
		c.rule.Name, c.rule.Audience = "inner", "app"
		p := compile(t, within("corp"), policy.Rule{Name: "outer", Audience: "app", Rules: []policy.Rule{c.rule}})
		_, denial := p.Match(request(t, "GET a.example /a/../b"))
		got := authz.Reason("")
		if denial != nil {
			got = denial.Reason
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.rule, got, c.want)
		}
	}
}

// TestExpressionsThatAreRefused: also those that could be evaluated.
func TestExpressionsThatAreRefused(t *testing.T) {
	groups := "identity.groups.exists(a, "
	for _, c := range []struct{ expression, says string }{
		{`identity.emial_verified`, "column 10: undefined field 'emial_verified'; did you mean 'email_verified'?\n    identity.emial_verified\n             ^"},
		{`request.headrs["a"] == ""`, "did you mean 'headers'?"},
		{`identity.role == ""`, "there are acr, amr"},
		{`groups == []`, "there are request and identity"},
		{"true &&\n  identity.grups == []", "line 2, column 12: undefined field 'grups'; did you mean 'groups'?"},
		{`request.path.startWith("/")`, "did you mean 'startsWith'?"},
		{`identity.email`, "must be bool"},
		{`identity.claims.admin`, "compare it"},
		{`identity.groups == "staff"`, "== cannot be applied to (list(string), string)"},
		{`identity.email = "x"`, "is not an expression from here on"},
		{` `, "is not an expression"},
		{`// nothing`, "is not an expression"},
		{`request.path.matches("(")`, "not a regular expression"},
		{`request.path.matches(request.query)`, "must be written out"},
		{`matches(request.path, request.query)`, "must be written out"},
		{`request.path.matches("^/[a-z]{1,300}$")`, "regex program size"},
		{`cidr("10.0.0.0/99").containsIP(request.client)`, "invalid cidr argument"},
		{`duration("5 minutes") == duration("1s")`, "invalid duration argument"},
		{`request.time.getHours("Europe/Berlin") == 1`, "time zone"},
		{`request.time.getHours(request.query) == 1`, "time zone"},
		{`request.path.replace("/", request.path) == ""`, "replace is not available"},
		{`identity.groups.join(request.path) == ""`, "join is not available"},
		{`"%s".format([request.path]) == ""`, "undeclared reference to 'format'"},
		{`request == request`, "read as a whole"},
		{`dyn(request).path == "/"`, "read as a whole"},
		{`[identity].all(i, i.subject == "x")`, "read as a whole"},
		{`[.request].all(i, i.path == "x")`, "read as a whole"},
		{`["x"].all(request, request == "x")`, "read as a whole"},
		{`.request.headers["X-A"] == ""`, "lower case"},
		{`identity["email"] == ""`, "cannot be applied"},
		{`request{method: "GET"}.method == "GET"`, "makes an object"},
		{`request.headers["X-A"] == ""`, "lower case"},
		{`request.headers[request.path] == ""`, "written out"},
		{`request.path in request.headers`, "written out"},
		{`request.headers.exists(h, h == "x-a")`, "written out"},
		{`request.headers == request.headers`, "written out"},
		{`has(request.headers)`, "written out"},
		{`request.headers.size() == 1`, "written out"},
		{`(true ? request.headers : request.headers)["x"] == ""`, "written out"},
		{`dyn(request.context_extensions).a == ""`, "written out"},
		{`request.?headers["x"].orValue("") == ""`, "written out"},
		{groups + groups + groups + "true)))", "nesting limit"},
		{`identity.groups.all(a, identity.groups.all(b, request.path.contains(a)))`, "in the worst case"},
		{strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100), "nested deeper than 64"},
		{strings.Repeat("[", 100) + strings.Repeat("]", 100) + " == []", "nested deeper than 64"},
		{"[" + strings.Repeat("1,", 2020) + "1].size() == 1", ""},
		{`"` + strings.Repeat("a", 5000) + `" == ""`, "longer than 4096 bytes"},
		{strings.Repeat("é", 2100) + ` == ""`, "longer than 4096 bytes"},
	} {
		_, err := policy.Compile([]policy.Rule{{Name: "r", Audience: "a", Allow: when(c.expression)}}, within("corp"))
		if got := mistakes(t, err); len(got) != 1 || got[0].Path != "[0].allow[0].when" || !strings.Contains(got[0].Err.Error(), c.says) {
			t.Errorf("%.60s: want ...%s..., got %v", c.expression, c.says, err)
		}
	}
}

// TestMistakesQuoteNoLiteral: a literal may have come from a secret.
func TestMistakesQuoteNoLiteral(t *testing.T) {
	for _, expression := range []string{
		"true &&\n'hunter2", "true &&\n\"hunter2\" == 1", "true &&\ncidr(\"hunter2\").isMask()", "true &&\nip(\"hunter2\").isLoopback()",
		"true &&\nduration('hunter2') > duration('1s')", "true &&\ntimestamp('hunter2') > timestamp('hunter2')",
		"true &&\nrequest.path.matches('hunter2(')", "true &&\n'hunter2'.getHours('hunter2') == 1", "true &&\n'hunter2' 'hunter2'", "true && \n'hunter2\\q'",
		"'hunter2' +\n'hunter2'", "[1, 'hunter2'] ==\n[]",
	} {
		_, err := policy.Compile([]policy.Rule{{Name: "r", Audience: "a", Allow: when(expression)}}, within("corp"))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", expression, err)
		}
	}
}

// TestTimeEndsAnEvaluation: that the request's time is over is not the policy's
// fault.
func TestTimeEndsAnEvaluation(t *testing.T) {
	const loop = `identity.groups.exists(a, identity.groups.exists(b, a == "x" + b))`
	r, id := full(t)
	id.Groups = slices.Repeat([]string{"g"}, 80)
	for _, condition := range []string{"true", loop} {
		p := compile(t, within("corp"), policy.Rule{Name: "r", Audience: "a", Allow: when(condition)})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.Rules()[0].Judge.Judge(ctx, r, authz.NewIdentity(id)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", condition, err)
		}
	}
	p := compile(t, within("corp"), policy.Rule{Name: "r", Audience: "a", Allow: when(loop)})
	ending := &ending{Context: t.Context(), done: make(chan struct{}), looks: 1}
	if _, err := p.Rules()[0].Judge.Judge(ending, r, authz.NewIdentity(id)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is evaluated: %v", err)
	}
}

// ending is a context whose time is over after it was looked at a few times.
type ending struct {
	context.Context
	done  chan struct{}
	looks int
}

func (c *ending) Done() <-chan struct{} { return c.done }

func (c *ending) Err() error {
	if c.looks--; c.looks > 0 {
		return nil
	}
	if c.looks == 0 {
		close(c.done)
		return nil
	}
	return context.DeadlineExceeded
}

// TestLoopsAreBounded: 500 groups, each with each, are not compared to the end.
func TestLoopsAreBounded(t *testing.T) {
	r, id := full(t)
	for i := range 500 {
		id.Groups = append(id.Groups, fmt.Sprint("group-", i))
	}
	for _, condition := range []string{
		`identity.groups.all(a, identity.groups.exists(b, a == b))`,
		`identity.groups.map(a, identity.groups.filter(b, a != b)).size() == 502`,
	} {
		if got := asked(t, policy.Rule{Allow: when(condition)}, r, id); !strings.Contains(got, "it costs more than") {
			t.Errorf("%s: %s", condition, got)
		}
	}
	const linear = `identity.groups.exists(g, g == "group-499") && sets.contains(identity.groups, ["group-499"])`
	if got := asked(t, policy.Rule{Allow: when(linear)}, r, id); got != "allowed" {
		t.Error(got)
	}
}

func TestClaimsOfARule(t *testing.T) {
	r, id := full(t)
	judge := compile(t, clocked(), policy.Rule{Name: "r", Audience: "a", Allow: anybody, Claims: map[string]string{
		"tenant": "identity.claims.tenant", "admin": "identity.claims.admin", "level": "identity.claims.level", "teams": `identity.groups.filter(g, g.startsWith("eng/"))`,
		"place": `request.path`, "night": `request.time.getHours() < 6`, "mail": "identity.email",
	}}).Rules()[0].Judge
	extra, err := judge.Judge(t.Context(), r, authz.NewIdentity(id))
	if err != nil {
		t.Fatal(err)
	}
	want := "[{admin true} {level 3} {mail alice@example.com} {night true} {place /v1/café} {teams [eng/web]} {tenant acme}]"
	if got := fmt.Sprint(extra.Claims); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for value, cause := range map[string]string{
		"identity.claims.absent":  "claims.tenant, line 1, column 16: what it reads is absent",
		"identity.claims.deep":    "claims.tenant: is neither a text",
		"identity.claims.roles":   "claims.tenant: is neither a text",
		"identity.claims.ratio":   "claims.tenant: is neither a text",
		"identity.claims.nothing": "claims.tenant: is neither a text",
	} {
		if got := asked(t, policy.Rule{Claims: map[string]string{"tenant": value}}, r, id); got != "policy_error: "+cause+strings.TrimPrefix(got, "policy_error: "+cause) {
			t.Errorf("%s: %s, want %s", value, got, cause)
		}
		if got := asked(t, policy.Rule{Allow: when("false"), Claims: map[string]string{"tenant": value}}, r, id); got != "not_allowed" {
			t.Errorf("%s is evaluated for whom is not allowed: %s", value, got)
		}
	}
}

func TestMistakesOfClaims(t *testing.T) {
	signing := policy.Rule{Name: "r", Audience: "a", Allow: anybody}
	for name, path := range map[string]string{"iss": "identity.subject", "groups": "identity.groups", "a b": "identity.subject", "": "identity.subject", "ok": "request.client", "map": "identity.claims", "frac": "0.5", "none": ""} {
		rule := signing
		rule.Claims = map[string]string{name: path}
		_, err := policy.Compile([]policy.Rule{rule}, within("corp"))
		if got := mistakes(t, err); len(got) != 1 || got[0].Path != "[0].claims."+name {
			t.Errorf("%q: %v", name, err)
		}
	}
	claims := map[string]string{"tenant": `"acme"`}
	for _, rule := range []policy.Rule{
		{Name: "r", Public: true, Claims: claims},
		{Name: "r", Claims: claims, Rules: []policy.Rule{public("s", policy.Match{})}},
	} {
		_, err := policy.Compile([]policy.Rule{rule}, within("corp"))
		if got := mistakes(t, err); len(got) != 1 || got[0].Path != "[0].claims" {
			t.Errorf("%+v: %v", rule, err)
		}
	}
}

// TestEvaluationsShareNothing: a thousand at once, each about another caller.
func TestEvaluationsShareNothing(t *testing.T) {
	judge := compile(t, clocked(), policy.Rule{
		Name: "r", Audience: "a",
		Allow:  when(`identity.groups.exists(g, g == identity.subject) && request.headers["x-who"] == identity.subject`),
		Claims: map[string]string{"who": "identity.subject", "again": `request.headers["x-who"]`},
	}).Rules()[0].Judge
	var done sync.WaitGroup
	for i := range 1000 {
		done.Go(func() {
			name := fmt.Sprint("caller", i)
			r := request(t, "GET a.example /")
			r.Headers = authz.HeaderMap{"x-who": {name}}
			extra, err := judge.Judge(t.Context(), r, authz.NewIdentity(authz.Identity{Source: "corp", Subject: name, Groups: []string{"x", name}}))
			if err != nil || extra.Claims[0].Value != name || extra.Claims[1].Value != name {
				t.Errorf("%s: %v, %v", name, extra, err)
			}
		})
	}
	done.Wait()
}

// TestConditionsAllocateLittle holds the price of the usual condition.
func TestConditionsAllocateLittle(t *testing.T) {
	r, id := full(t)
	sealed := authz.NewIdentity(id)
	allocations := func(condition string) float64 {
		judge := compile(t, clocked(), policy.Rule{Name: "r", Audience: "a", Allow: when(condition)}).Rules()[0].Judge
		return testing.AllocsPerRun(200, func() {
			if _, err := judge.Judge(t.Context(), r, sealed); err != nil {
				t.Fatal(err)
			}
		})
	}
	none := allocations("true")
	for condition, most := range map[string]float64{
		`identity.email_verified && !request.path.startsWith("/v1/internal") && "staff" in identity.groups`: 4,
		`identity.claims.tenant == "acme"`:      4,
		`request.headers["x-tenant"] == "acme"`: 6,
	} {
		if got := allocations(condition) - none; got > most {
			t.Errorf("%s: %v allocations, over %v", condition, got, most)
		}
	}
}

// FuzzExpressions: no text makes the compiler or the judge panic, and what
// compiles is judged.
func FuzzExpressions(f *testing.F) {
	for _, seed := range []string{`true`, `identity.groups.exists(g, g == "a")`, `request.headers["a"] == "b"`, `identity.?email.orValue("a") == "b"`, "\x00", "`a`", "'''", "[1][?0]", "{'a': 1}.a == 1", "has(request.path)"} {
		f.Add(seed)
	}
	r, id := full(f)
	sealed := authz.NewIdentity(id)
	f.Fuzz(func(t *testing.T, expression string) {
		p, err := policy.Compile([]policy.Rule{{Name: "r", Audience: "a", Allow: when(expression)}}, clocked())
		if err != nil {
			return
		}
		var denial *authz.Denial
		if _, err := p.Rules()[0].Judge.Judge(t.Context(), r, sealed); err != nil && !errors.As(err, &denial) {
			t.Errorf("%q: %v", expression, err)
		}
		if _, err := p.Explain(t.Context(), r, sealed); err != nil {
			t.Errorf("%q: %v", expression, err)
		}
	})
}
