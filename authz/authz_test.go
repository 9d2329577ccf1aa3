package authz

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"
)

// panicking headers stand for a transport with a defect.
type panicking struct{}

func (panicking) Values(string) []string         { panic("headers") }
func (panicking) All() iter.Seq2[string, string] { panic("headers") }

// TestAuthorizeIsTotal: whatever the parts do, there is a grant with an
// assertion or a denial, and a fault is a denial with 503.
func TestAuthorizeIsTotal(t *testing.T) {
	boom := authenticatorFunc(func(context.Context, *Request, *Effects) (*Identity, error) { panic("boom") })
	var nilDenial *Denial
	for name, c := range map[string]struct {
		o      Options
		reason Reason
	}{
		"policy panics":          {Options{Policy: policyFunc(func(*Request) (*Rule, *Denial) { panic("boom") })}, Fault},
		"no rule":                {Options{Policy: only(nil)}, NoRule},
		"policy denies":          {Options{Policy: policyFunc(func(*Request) (*Rule, *Denial) { return nil, &Denial{Reason: AmbiguousPath} })}, AmbiguousPath},
		"authenticator panics":   {Options{Policy: only(signing(boom))}, Fault},
		"authenticator fails":    {Options{Policy: only(signing(failing(errBroken)))}, Fault},
		"nil authenticator":      {Options{Policy: only(signing(nil, nil))}, Fault},
		"neither identity, err":  {Options{Policy: only(signing(as(nil)))}, Fault},
		"a nil *Denial":          {Options{Policy: only(signing(failing(nilDenial)))}, Fault},
		"no credential":          {Options{Policy: only(signing(failing(ErrNoCredential), failing(ErrNoCredential)))}, Unauthenticated},
		"no authenticators":      {Options{Policy: only(&Rule{Name: "x", TTL: time.Minute, Judge: judgeFunc(yes)})}, Unauthenticated},
		"wrong credential stops": {Options{Policy: only(signing(failing(&Denial{Reason: InvalidCredential}), as(alice())))}, InvalidCredential},
		"deadline of a part":     {Options{Policy: only(signing(failing(context.DeadlineExceeded)))}, DeadlineExceeded},
		"expired identity":       {Options{Policy: only(signing(as(alice(func(id *Identity) { id.Expires = noon }))))}, ExpiredCredential},
		"no judge":               {Options{Policy: only(func() *Rule { r := signing(); r.Judge = nil; return r }())}, Fault},
		"judge panics":           {Options{Policy: only(judgedBy(func(context.Context, *Request, *Identity) (Extra, error) { panic("boom") }))}, Fault},
		"judge fails":            {Options{Policy: only(judgedBy(func(context.Context, *Request, *Identity) (Extra, error) { return Extra{}, errBroken }))}, Fault},
		"judge denies":           {Options{Policy: only(judgedBy(func(context.Context, *Request, *Identity) (Extra, error) { return Extra{}, &Denial{Reason: NotAllowed} }))}, NotAllowed},
		"signer fails":           {Options{Policy: only(signing()), Signer: signerFunc(func(context.Context, []byte) (string, string, error) { return "", "", errBroken })}, SigningFailed},
		"signer says nothing":    {Options{Policy: only(signing()), Signer: signerFunc(func(context.Context, []byte) (string, string, error) { return "", "", nil })}, SigningFailed},
		"signer without a kid":   {Options{Policy: only(signing()), Signer: signerFunc(func(context.Context, []byte) (string, string, error) { return "a.b.c", "", nil })}, SigningFailed},
		"signer panics":          {Options{Policy: only(signing()), Signer: signerFunc(func(context.Context, []byte) (string, string, error) { panic("boom") })}, Fault},
		"no randomness":          {Options{Policy: only(signing()), Rand: strings.NewReader("short")}, Fault},
		"groups not known":       {Options{Policy: only(signing(as(alice(func(id *Identity) { id.GroupsUnknown = true }))))}, GroupsUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			d := newAuthorizer(t, c.o).Authorize(t.Context(), request(t, "/", nil))
			if d.Grant() != nil {
				t.Fatal("granted")
			}
			if d.Record.Reason != c.reason || d.Record.Outcome != Deny {
				t.Errorf("record: %+v", d.Record)
			}
			if reply := d.Reply(); reply.Status < 400 || reply.Status > 599 || d.Record.Status != reply.Status {
				t.Errorf("reply: %+v", reply)
			}
		})
	}
}

func judgedBy(f judgeFunc) *Rule {
	r := signing()
	r.Judge = f
	return r
}

func TestHeadersThatPanicAreAFault(t *testing.T) {
	r := request(t, "/", nil)
	r.Headers = panicking{}
	defer func() {
		if recover() != nil {
			t.Fatal("the panic reached the caller")
		}
	}()
	if d := newAuthorizer(t, Options{Policy: only(signing())}).Authorize(t.Context(), r); d.Grant() != nil || d.Reply().Status != 503 {
		t.Errorf("%+v", d.Record)
	}
}

// TestExpiredContextNeverGrants: Envoy has answered already, and may have let
// the request through as it was.
func TestExpiredContextNeverGrants(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, rule := range []*Rule{signing(), {Name: "p", Public: true}} {
		d := newAuthorizer(t, Options{Policy: only(rule)}).Authorize(ctx, request(t, "/", nil))
		if d.Grant() != nil || d.Record.Reason != DeadlineExceeded {
			t.Errorf("%s: %+v", rule.Name, d.Record)
		}
	}
}

// TestLateDenialNamesNoAssertion: what was signed and not sent is not recorded
// as if it had been.
func TestLateDenialNamesNoAssertion(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	slow := signerFunc(func(ctx context.Context, p []byte) (string, string, error) {
		cancel()
		return edSigner{"k"}.Sign(ctx, p)
	})
	d := newAuthorizer(t, Options{Policy: only(signing()), Signer: slow}).Authorize(ctx, request(t, "/", nil))
	if rec := d.Record; d.Grant() != nil || rec.KeyID != "" || rec.JWTID != "" || rec.Bytes != 0 || rec.Audience != "" || !rec.Expires.IsZero() {
		t.Errorf("%+v", rec)
	}
}

func TestZeroDecisionDenies(t *testing.T) {
	var d Decision
	if d.Grant() != nil || d.Reply().Status != 503 {
		t.Errorf("%+v", d.Reply())
	}
}

// TestSharedDenialIsNotChanged: authenticators may return one *Denial to many.
func TestSharedDenialIsNotChanged(t *testing.T) {
	shared := &Denial{Reason: InvalidCredential}
	a := newAuthorizer(t, Options{Policy: only(signing(failing(shared)))})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { a.Authorize(t.Context(), request(t, "/", nil)) })
	}
	all.Wait()
	if shared.Rule != "" || shared.Reply != nil {
		t.Errorf("%+v", shared)
	}
}

// TestNoAssertionNoPass: a grant carries exactly what was signed, or its rule
// says that it needs none.
func TestNoAssertionNoPass(t *testing.T) {
	d := newAuthorizer(t, Options{Policy: only(signing())}).Authorize(t.Context(), request(t, "/", nil))
	if g := d.Grant(); g == nil || len(g.Set()) != 1 || g.Set()[0].Name != DefaultHeader || strings.Count(g.Set()[0].Value, ".") != 2 {
		t.Fatalf("%+v", d)
	}
	if d.Record.KeyID != "k1" || d.Record.JWTID != d.Record.ID || d.Record.Reason != Allowed {
		t.Errorf("%+v", d.Record)
	}
	public := newAuthorizer(t, Options{Policy: only(&Rule{Name: "p", Public: true, Authenticate: []Authenticator{failing(errBroken)}})})
	d = public.Authorize(t.Context(), request(t, "/", nil))
	if g := d.Grant(); g == nil || len(g.Set()) != 0 || d.Record.Reason != Public {
		t.Fatalf("%+v", d)
	}
}

type endpointFunc func(context.Context, *Request, *Effects) (*Reply, error)

func (f endpointFunc) Answer(ctx context.Context, r *Request, fx *Effects) (*Reply, error) {
	return f(ctx, r, fx)
}

func TestEndpointsAnswerBeforeAnyRule(t *testing.T) {
	for name, c := range map[string]struct {
		f      endpointFunc
		status int
	}{
		"answer":  {func(context.Context, *Request, *Effects) (*Reply, error) { return &Reply{Status: 200}, nil }, 200},
		"nothing": {func(context.Context, *Request, *Effects) (*Reply, error) { return nil, nil }, 503},
		"100":     {func(context.Context, *Request, *Effects) (*Reply, error) { return &Reply{Status: 100}, nil }, 503},
		"999":     {func(context.Context, *Request, *Effects) (*Reply, error) { return &Reply{Status: 999}, nil }, 503},
		"denial": {func(context.Context, *Request, *Effects) (*Reply, error) {
			return nil, &Denial{Reason: MalformedRequest}
		}, 400},
		"panic": {func(context.Context, *Request, *Effects) (*Reply, error) { panic("boom") }, 503},
	} {
		a := newAuthorizer(t, Options{Policy: only(&Rule{Public: true}), Endpoints: map[string]Endpoint{"/.privyseal/me": c.f}})
		d := a.Authorize(t.Context(), request(t, "/.privyseal/me", nil))
		if d.Grant() != nil || d.Reply().Status != c.status {
			t.Errorf("%s: %+v", name, d.Reply())
		}
		for _, other := range []string{"/.privyseal/me/", "/.privyseal//me", "/x/../.privyseal/me", "/.PRIVYSEAL/me"} {
			if d := a.Authorize(t.Context(), request(t, other, nil)); d.Record.Outcome == Answer {
				t.Errorf("%s is the endpoint", other)
			}
		}
	}
}

// TestRecordOwnsItsStrings: the request may point into a buffer that is used
// again, and the record is kept.
func TestRecordHoldsNoCredentialPathOrQuery(t *testing.T) {
	r := request(t, "/secret/path?token=secret", HeaderMap{"authorization": {"Bearer secret"}, "x-request-id": {"r1"}})
	d := newAuthorizer(t, Options{Policy: only(signing())}).Authorize(t.Context(), r)
	if text := strings.Join([]string{d.Record.Detail, d.Record.Cause, d.Record.Pattern, d.Record.Host, d.Record.Request, d.Record.Subject}, " "); strings.Contains(text, "secret") {
		t.Errorf("record: %s", text)
	}
	if d.Record.Request != "r1" {
		t.Errorf("request id %q", d.Record.Request)
	}
}

func TestRefuse(t *testing.T) {
	a := newAuthorizer(t, Options{Policy: only(signing())})
	for _, r := range []*Request{nil, {}, {Headers: HeaderMap{"content-type": {"application/grpc"}}}} {
		d := a.Refuse(t.Context(), r, &Denial{Reason: MalformedRequest})
		if d.Grant() != nil || d.Reply().Status != 400 || d.Record.ID == "" {
			t.Errorf("%+v: %+v", r, d.Reply())
		}
	}
}

func TestCausesStayInside(t *testing.T) {
	denial := (&Denial{Reason: InvalidCredential, Detail: "for people"}).Because(errors.New("for operators"))
	d := newAuthorizer(t, Options{Policy: only(signing(failing(denial)))}).Authorize(t.Context(), request(t, "/", nil))
	if body := string(d.Reply().Body); strings.Contains(body, "operators") || !strings.Contains(body, "for people") {
		t.Errorf("body: %s", body)
	}
	if d.Record.Cause != "for operators" {
		t.Errorf("record: %+v", d.Record)
	}
}
