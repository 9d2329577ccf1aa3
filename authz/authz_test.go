package authz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
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
		"signer without a jws":   {Options{Policy: only(signing()), Signer: signerFunc(func(context.Context, []byte) (string, string, error) { return "", "k", nil })}, SigningFailed},
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
		for _, other := range []string{"/.privyseal/me/", "/.privyseal//me", "/x/../.privyseal/me", "/.PRIVYSEAL/me", "/%2eprivyseal/me", "/.privyseal%2Fme"} {
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

// unspeakable is an error that has a defect of its own.
type unspeakable struct{}

func (unspeakable) Error() string { panic("while describing an error") }

func noEscape(t *testing.T) {
	if p := recover(); p != nil {
		t.Errorf("a panic reached the caller: %v", p)
	}
}

// TestDefectiveErrorsAreFaults: an error can be worse than what it reports. A nil
// pointer in an error is not a nil error, and asking it anything panics.
func TestDefectiveErrorsAreFaults(t *testing.T) {
	var nilDenial *Denial
	var nilURL *url.Error
	for name, err := range map[string]error{
		"nil *Denial": nilDenial, "wrapped nil *Denial": fmt.Errorf("policy: %w", error(nilDenial)), "nil *url.Error": nilURL, "panics in Error": unspeakable{},
	} {
		for part, o := range map[string]Options{
			"authenticator": {Policy: only(signing(failing(err)))},
			"challenger":    {Policy: only(signing(challenger{err: err}))},
			"judge":         {Policy: only(judgedBy(func(context.Context, *Request, *Identity) (Extra, error) { return Extra{}, err }))},
			"signer":        {Policy: only(signing()), Signer: signerFunc(func(context.Context, []byte) (string, string, error) { return "", "", err })},
			"endpoint": {Policy: only(nil), Endpoints: map[string]Endpoint{"/": endpointFunc(func(context.Context, *Request, *Effects) (*Reply, error) {
				return nil, err
			})}},
		} {
			t.Run(part+" "+name, func(t *testing.T) {
				defer noEscape(t)
				d := newAuthorizer(t, o).Authorize(t.Context(), request(t, "/", nil))
				if d.Grant() != nil || d.Reply().Status != 503 || d.Record.Outcome != Deny || d.Record.Status != 503 || d.Record.ID == "" || d.Record.Cause == "" {
					t.Errorf("reply %+v, record %+v", d.Reply(), d.Record)
				}
			})
		}
	}
}

// TestContextThatEndsDuringAStepNeverGrants: each part finishes its work, too late.
func TestContextThatEndsDuringAStepNeverGrants(t *testing.T) {
	for step, make := range map[string]func(cancel func()) Options{
		"match": func(cancel func()) Options {
			return Options{Policy: policyFunc(func(*Request) (*Rule, *Denial) { cancel(); return signing(), nil })}
		},
		"match of a public rule": func(cancel func()) Options {
			return Options{Policy: policyFunc(func(*Request) (*Rule, *Denial) { cancel(); return &Rule{Public: true}, nil })}
		},
		"authenticate": func(cancel func()) Options {
			return Options{Policy: only(signing(authenticatorFunc(func(context.Context, *Request, *Effects) (*Identity, error) { cancel(); return alice(), nil })))}
		},
		"judge": func(cancel func()) Options {
			return Options{Policy: only(judgedBy(func(context.Context, *Request, *Identity) (Extra, error) { cancel(); return Extra{}, nil }))}
		},
		"sign": func(cancel func()) Options {
			return Options{Policy: only(signing()), Signer: signerFunc(func(context.Context, []byte) (string, string, error) { cancel(); return "a.b.c", "k", nil })}
		},
		"answer": func(cancel func()) Options {
			return Options{Policy: only(nil), Endpoints: map[string]Endpoint{"/": endpointFunc(func(context.Context, *Request, *Effects) (*Reply, error) {
				cancel()
				return &Reply{Status: 200}, nil
			})}}
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		d := newAuthorizer(t, make(cancel)).Authorize(ctx, request(t, "/", nil))
		if d.Grant() != nil || d.Record.Reason != DeadlineExceeded || d.Reply().Status != 503 {
			t.Errorf("%s: %+v", step, d.Record)
		}
	}
}

// TestCredentialThatEndsOnTheWay: an assertion whose exp has passed lets nobody
// in, and a grant carries a valid one. Authentication may fetch keys and take
// time, so the credential's end is looked at again before signing.
func TestCredentialThatEndsOnTheWay(t *testing.T) {
	now := noon
	brief := alice(func(id *Identity) { id.Expires = noon.Add(2 * time.Second) })
	slow := func() { now = noon.Add(2 * time.Second) }
	for step, rule := range map[string]*Rule{
		"authenticate": signing(authenticatorFunc(func(context.Context, *Request, *Effects) (*Identity, error) { slow(); return brief, nil })),
		"judge": func() *Rule {
			r := signing(as(brief))
			r.Judge = judgeFunc(func(context.Context, *Request, *Identity) (Extra, error) { slow(); return Extra{}, nil })
			return r
		}(),
	} {
		now = noon
		d := newAuthorizer(t, Options{Policy: only(rule), Now: func() time.Time { return now }}).Authorize(t.Context(), request(t, "/", nil))
		if d.Grant() != nil || d.Record.Reason != ExpiredCredential {
			t.Errorf("%s: granted until %v at %v: %+v", step, d.Record.Expires, now, d.Record)
		}
	}
}

// TestPanicsAreNamedNotQuoted: a panic's value may hold what a request carried.
func TestPanicsAreNamedNotQuoted(t *testing.T) {
	boom := authenticatorFunc(func(context.Context, *Request, *Effects) (*Identity, error) { panic("Bearer secret") })
	d := newAuthorizer(t, Options{Policy: only(signing(boom))}).Authorize(t.Context(), request(t, "/", nil))
	if cause := d.Record.Cause; strings.Contains(cause, "secret") || !strings.Contains(cause, "TestPanicsAreNamedNotQuoted") || !strings.Contains(cause, "line") {
		t.Errorf("cause: %s", cause)
	}
	if body := string(d.Reply().Body); strings.Contains(body, "secret") || strings.Contains(body, "panic") {
		t.Errorf("body: %s", body)
	}
}

// TestRefuseIsTotal: what could not be made into a request is refused by the same
// promise.
func TestRefuseIsTotal(t *testing.T) {
	for name, c := range map[string]struct {
		r    *Request
		d    *Denial
		rand io.Reader
	}{
		"headers panic": {&Request{Headers: panicking{}}, &Denial{Reason: MalformedRequest}, zeros{}},
		"no denial":     {nil, nil, zeros{}},
		"no randomness": {nil, &Denial{Reason: MalformedRequest}, strings.NewReader("")},
	} {
		t.Run(name, func(t *testing.T) {
			defer noEscape(t)
			d := newAuthorizer(t, Options{Policy: only(signing()), Rand: c.rand}).Refuse(t.Context(), c.r, c.d)
			if d.Grant() != nil || d.Reply().Status != 503 || d.Record.Outcome != Deny || d.Record.Reason != Fault {
				t.Errorf("%+v", d.Record)
			}
		})
	}
}

// TestRecordOwnsItsStrings: the request points into a buffer that the transport
// uses again, while the record waits to be logged.
func TestRecordOwnsItsStrings(t *testing.T) {
	for name, rule := range map[string]func(*Request) *Rule{
		"grant": func(*Request) *Rule { r := signing(); r.Audience = ""; return r },
		"denial": func(r *Request) *Rule {
			return signing(failing((&Denial{Reason: NotAllowed, Detail: r.Host}).Because(errors.New(r.Host))))
		},
	} {
		buffer := []byte("GETapp.example/r1")
		whole := unsafe.String(&buffer[0], len(buffer))
		r, denial := NewRequest(whole[:3], "https", whole[3:14], whole[14:15])
		if denial != nil {
			t.Fatal(denial)
		}
		r.Headers = HeaderMap{"x-request-id": {whole[15:]}}
		d := newAuthorizer(t, Options{Policy: only(rule(r))}).Authorize(t.Context(), r)
		for i := range buffer {
			buffer[i] = '!'
		}
		if text := fmt.Sprintf("%+v", d.Record); strings.Contains(text, "!") {
			t.Errorf("%s: the record changed with the buffer: %s", name, text)
		}
		if d.Record.Method != "GET" || d.Record.Host != "app.example" || d.Record.Request != "r1" {
			t.Errorf("%s: %+v", name, d.Record)
		}
	}
}

// TestAllocations holds today's numbers with a little slack: the hot path is
// called for every request of every application.
func TestAllocations(t *testing.T) {
	none := signerFunc(func(context.Context, []byte) (string, string, error) { return "a.b.c", "k", nil })
	for name, c := range map[string]struct {
		rule   *Rule
		budget float64
	}{
		"public": {&Rule{Name: "p", Public: true}, 12},
		"signed": {signing(), 16},
	} {
		a := newAuthorizer(t, Options{Policy: only(c.rule), Signer: none})
		r := request(t, "/a", HeaderMap{"accept": {"*/*"}, "user-agent": {"x"}})
		if got := testing.AllocsPerRun(200, func() { a.Authorize(t.Context(), r) }); got > c.budget {
			t.Errorf("%s: %v allocations, over %v", name, got, c.budget)
		} else {
			t.Logf("%s: %v allocations", name, got)
		}
	}
}

// TestEachDefectIsNamed: all are a fault to the client, and operators are told
// which part to look at.
func TestEachDefectIsNamed(t *testing.T) {
	unjudged := signing()
	unjudged.Judge = nil
	for want, o := range map[string]Options{
		"neither an identity nor an error": {Policy: only(signing(as(nil)))},
		"has no judge":                     {Policy: only(unjudged)},
		"challenger made no valid reply":   {Policy: only(signing(challenger{reply: &Reply{Status: 200}}))},
		"signer returned nothing": {Policy: only(signing()), Signer: signerFunc(func(context.Context, []byte) (string, string, error) {
			return "", "k", nil
		})},
	} {
		if d := newAuthorizer(t, o).Authorize(t.Context(), request(t, "/", nil)); !strings.Contains(d.Record.Cause, want) {
			t.Errorf("%q is not in %q", want, d.Record.Cause)
		}
	}
}

// TestExpiredIdentityIsNotJudged: a rule never sees somebody who is not there.
func TestExpiredIdentityIsNotJudged(t *testing.T) {
	rule := judgedBy(func(context.Context, *Request, *Identity) (Extra, error) {
		t.Error("judged")
		return Extra{}, nil
	})
	rule.Authenticate = []Authenticator{as(alice(func(id *Identity) { id.Expires = noon }))}
	newAuthorizer(t, Options{Policy: only(rule)}).Authorize(t.Context(), request(t, "/", nil))
}
