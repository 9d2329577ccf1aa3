package authz

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// TestEveryReasonHasAStatus reads the source, so that a reason that is added
// without a status, and so would be a 503, is noticed.
func TestEveryReasonHasAStatus(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "denial.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Reason" {
				reasons = append(reasons, strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`))
			}
		}
		return true
	})
	granting := []string{"allowed", "public", "answered"}
	faults := []string{"source_unavailable", "signing_failed", "unrecorded", "deadline_exceeded", "fault"}
	if len(reasons) < 20 {
		t.Fatalf("only %d reasons found: the test looks at the wrong place", len(reasons))
	}
	for _, reason := range reasons {
		status := Reason(reason).Status()
		if slices.Contains(granting, reason) {
			continue
		}
		if (status == 503) != slices.Contains(faults, reason) {
			t.Errorf("%s: %d", reason, status)
		}
	}
	if Reason("unheard of").Status() != 503 {
		t.Error("an unknown reason is no fault")
	}
}

func TestPlainReply(t *testing.T) {
	rule := signing(failing(&Denial{Reason: NotAllowed, Detail: `a "quoted" <detail>` + "\x01\xff"}))
	rule.Explain = "Ask for access."
	d := newAuthorizer(t, Options{Policy: only(rule)}).Authorize(t.Context(), request(t, "/", nil))
	var problem map[string]any
	if err := json.Unmarshal(d.Reply().Body, &problem); err != nil {
		t.Fatalf("%v: %s", err, d.Reply().Body)
	}
	if problem["status"] != 403.0 || problem["reason"] != "not_allowed" || problem["explain"] != "Ask for access." || problem["decision_id"] != d.Record.ID ||
		problem["detail"] != "a \"quoted\" <detail>\x01?" || d.Reply().ContentType != "application/problem+json" {
		t.Errorf("%s", d.Reply().Body)
	}
	d = newAuthorizer(t, Options{Policy: only(rule)}).Authorize(t.Context(), request(t, "/", HeaderMap{"content-type": {"application/grpc+proto"}}))
	if body := string(d.Reply().Body); !strings.HasPrefix(body, "not_allowed") || strings.Contains(body, "{") {
		t.Errorf("gRPC: %s", body)
	}
}

// challenger is an authenticator without a credential that has something to say.
type challenger struct {
	reply *Reply
	err   error
}

func (c challenger) Authenticate(context.Context, *Request, *Effects) (*Identity, error) {
	return nil, ErrNoCredential
}

func (c challenger) Challenge(_ context.Context, _ *Request, d *Denial, fx *Effects) (*Reply, error) {
	fx.SetCookie("flow=" + string(d.Reason))
	return c.reply, c.err
}

func TestChallenges(t *testing.T) {
	bearer := challenger{reply: &Reply{Status: 401, Challenges: []string{"Bearer"}}}
	basic := challenger{reply: &Reply{Status: 401, Challenges: []string{"Basic"}, ContentType: "text/html", Body: []byte("hello")}}
	login := challenger{reply: &Reply{Status: 302, Location: "https://idp.example/"}}
	for name, c := range map[string]struct {
		list       []Authenticator
		status     int
		challenges []string
	}{
		"none: nobody says how":    {[]Authenticator{failing(ErrNoCredential)}, 403, nil},
		"one":                      {[]Authenticator{bearer}, 401, []string{"Bearer"}},
		"two are joined":           {[]Authenticator{bearer, basic}, 401, []string{"Bearer", "Basic"}},
		"a redirect wins":          {[]Authenticator{bearer, login}, 302, nil},
		"silence":                  {[]Authenticator{challenger{}, bearer}, 401, []string{"Bearer"}},
		"a fault":                  {[]Authenticator{challenger{err: errBroken}}, 503, nil},
		"a reply that cannot be":   {[]Authenticator{challenger{reply: &Reply{Status: 200}}}, 503, nil},
		"an earlier denial stands": {[]Authenticator{failing(&Denial{Reason: NotAllowed}), login}, 403, nil},
	} {
		d := newAuthorizer(t, Options{Policy: only(signing(c.list...))}).Authorize(t.Context(), request(t, "/", nil))
		if reply := d.Reply(); d.Grant() != nil || reply.Status != c.status || !slices.Equal(reply.Challenges, c.challenges) {
			t.Errorf("%s: %+v", name, reply)
		}
	}
	if len(bearer.reply.Challenges) != 1 || bearer.reply.Body != nil {
		t.Error("a challenger's reply was changed")
	}
	d := newAuthorizer(t, Options{Policy: only(signing(login))}).Authorize(t.Context(), request(t, "/", nil))
	if got := d.SetCookies(); !slices.Equal(got, []string{"flow=unauthenticated"}) {
		t.Errorf("cookies: %q", got)
	}
	stepUp := judgedBy(func(context.Context, *Request, *Identity) (Extra, error) {
		return Extra{}, &Denial{Reason: NotAllowed, StepUp: &StepUp{ACR: []string{"mfa"}}}
	})
	stepUp.Authenticate = append(stepUp.Authenticate, login)
	if d := newAuthorizer(t, Options{Policy: only(stepUp)}).Authorize(t.Context(), request(t, "/", nil)); d.Reply().Status != 302 {
		t.Errorf("step up: %+v", d.Reply())
	}
}

func TestCookiesThatBreakLinesAreDropped(t *testing.T) {
	var fx Effects
	for _, line := range []string{"", "a=1\r\nx: y", "a=\x00", "ok=1"} {
		fx.SetCookie(line)
	}
	if !slices.Equal(fx.cookies, []string{"ok=1"}) {
		t.Errorf("%q", fx.cookies)
	}
}

// TestGRPCTextIsUTF8: a body that protobuf cannot carry is a gRPC error, and
// Envoy may be configured to let those through.
func TestGRPCTextIsUTF8(t *testing.T) {
	rule := signing(failing(&Denial{Reason: NotAllowed, Detail: "caf\xe9"}))
	d := newAuthorizer(t, Options{Policy: only(rule)}).Authorize(t.Context(), request(t, "/", HeaderMap{"content-type": {"application/grpc"}}))
	if !utf8.Valid(d.Reply().Body) {
		t.Errorf("%q", d.Reply().Body)
	}
}

// TestDenialBringsItsReply: a valid one is sent as it is, one that Envoy cannot
// send is replaced, and neither can make a grant of a denial.
func TestDenialBringsItsReply(t *testing.T) {
	for given, want := range map[int]int{100: 403, 200: 403, 299: 403, 300: 300, 429: 429, 599: 599, 600: 403, 999: 403, 0: 403, -1: 403} {
		rule := signing(failing(&Denial{Reason: NotAllowed, Reply: &Reply{Status: given}}))
		d := newAuthorizer(t, Options{Policy: only(rule)}).Authorize(t.Context(), request(t, "/", nil))
		if d.Grant() != nil || d.Reply().Status != want || d.Record.Status != want {
			t.Errorf("%d: %+v", given, d.Reply())
		}
	}
}

// TestThreeChallengersAreJoined, in the order of the rule, over several requests:
// what a challenger returns may be one value for all of them.
func TestThreeChallengersAreJoined(t *testing.T) {
	var list []Authenticator
	var given [][]string
	for _, scheme := range []string{"Bearer", "Basic", "DPoP"} {
		challenges := make([]string, 1, 8) // room for an append that would be seen by others
		challenges[0] = scheme
		given = append(given, challenges)
		list = append(list, challenger{reply: &Reply{Status: 401, Challenges: challenges}})
	}
	a := newAuthorizer(t, Options{Policy: only(signing(list...))})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			d := a.Authorize(t.Context(), request(t, "/", nil))
			if got := d.Reply().Challenges; !slices.Equal(got, []string{"Bearer", "Basic", "DPoP"}) {
				t.Errorf("%q", got)
			}
		})
	}
	all.Wait()
	for _, challenges := range given {
		if after := challenges[:2]; after[1] != "" {
			t.Errorf("%s was written behind a challenger's own challenge %s", after[1], after[0])
		}
	}
}

// TestChallengersReplyIsNotChanged: it is completed with a body that names this
// decision, and the next request must not be told of it.
func TestChallengersReplyIsNotChanged(t *testing.T) {
	shared := &Reply{Status: 403}
	d := newAuthorizer(t, Options{Policy: only(signing(challenger{reply: shared}))}).Authorize(t.Context(), request(t, "/", nil))
	if shared.Body != nil || shared.ContentType != "" || d.Reply().Status != 403 || len(d.Reply().Body) == 0 {
		t.Errorf("shared %+v, sent %+v", shared, d.Reply())
	}
}
