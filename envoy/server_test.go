package envoy

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"privyseal/authz"
)

// policyFunc, judgeFunc and signer are the smallest collaborators.
type policyFunc func(*authz.Request) (*authz.Rule, *authz.Denial)

func (f policyFunc) Match(r *authz.Request) (*authz.Rule, *authz.Denial) { return f(r) }

type authenticate func(context.Context, *authz.Request, *authz.Effects) (*authz.Identity, error)

func (f authenticate) Authenticate(ctx context.Context, r *authz.Request, fx *authz.Effects) (*authz.Identity, error) {
	return f(ctx, r, fx)
}

type allowAll struct{}

func (allowAll) Judge(context.Context, *authz.Request, *authz.Identity) (authz.Extra, error) {
	return authz.Extra{}, nil
}

type refuseAll struct{}

func (refuseAll) Judge(context.Context, *authz.Request, *authz.Identity) (authz.Extra, error) {
	return authz.Extra{}, &authz.Denial{Reason: authz.NotAllowed}
}

type signer struct{}

func (signer) KeyID() string { return "k1" }
func (signer) Sign(context.Context, []byte) (string, string, error) {
	return "signed.by.k1", "k1", nil
}

var alice = authz.NewIdentity(authz.Identity{Source: "corp", Subject: "alice", Groups: []string{"staff"}})

func authorizer(t *testing.T, rule *authz.Rule) *authz.Authorizer {
	t.Helper()
	a, err := authz.New(authz.Options{
		Policy: policyFunc(func(*authz.Request) (*authz.Rule, *authz.Denial) { return rule, nil }), Signer: signer{},
		Assertion: authz.AssertionOptions{ClaimHeaders: map[string]string{"x-user": "sub"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func signing() *authz.Rule {
	return &authz.Rule{Name: "r", TTL: time.Minute, Sources: []string{"corp"}, Judge: allowAll{}, Authenticate: []authz.Authenticator{
		authenticate(func(context.Context, *authz.Request, *authz.Effects) (*authz.Identity, error) { return alice, nil }),
	}}
}

func message(edit ...func(*authv3.AttributeContext_HttpRequest)) *authv3.CheckRequest {
	http := &authv3.AttributeContext_HttpRequest{
		Method: "GET", Scheme: "https", Host: "app.example:443", Path: "/v1/x?q=1", Headers: map[string]string{":path": "/v1/x?q=1"},
	}
	for _, f := range edit {
		f(http)
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: http}}}
}

// checked is the answer as Envoy reads it; nil if it cannot.
func checked(ctx context.Context, s *Server, message []byte) *authv3.CheckResponse {
	var m authv3.CheckResponse
	if proto.Unmarshal(*s.check(ctx, message).bytes, &m) != nil {
		return nil
	}
	return &m
}

func encoded(m *authv3.CheckRequest) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// consistent is promise 2: the code says what the body says.
func consistent(t *testing.T, m *authv3.CheckResponse) (allowed bool) {
	t.Helper()
	if m == nil || m.Status == nil {
		t.Fatal("an answer without a status lets the request through")
	}
	_, ok := m.HttpResponse.(*authv3.CheckResponse_OkResponse)
	if allowed = m.Status.Code == int32(codes.OK); allowed != ok {
		t.Fatalf("status.code %d with body %T", m.Status.Code, m.HttpResponse)
	}
	if denied := m.GetDeniedResponse(); !allowed && (denied.GetStatus().GetCode() < 200 || denied.GetStatus().GetCode() > 599) {
		t.Fatalf("denied with HTTP status %d", denied.GetStatus().GetCode())
	}
	if _, err := proto.Marshal(m); err != nil {
		t.Fatalf("the answer would become a gRPC error: %v", err)
	}
	return allowed
}

func TestGrantOverwritesInBothDialects(t *testing.T) {
	s := NewServer(authorizer(t, signing()), nil)
	m := checked(t.Context(), s, encoded(message()))
	if !consistent(t, m) {
		t.Fatal("denied")
	}
	for _, o := range m.GetOkResponse().GetHeaders() {
		//lint:ignore SA1019 Envoy obeys it
		if o.GetAppend() == nil || o.GetAppend().GetValue() || o.GetAppendAction().String() != "OVERWRITE_IF_EXISTS_OR_ADD" {
			t.Errorf("header %s may be appended to the client's: %v", o.GetHeader().GetKey(), o)
		}
		if o.GetHeader().GetRawValue() != nil || o.GetHeader().GetValue() == "" {
			t.Errorf("header %s: Envoy ignores raw_value", o.GetHeader().GetKey())
		}
	}
	for _, name := range m.GetOkResponse().GetHeadersToRemove() {
		if name == authz.DefaultHeader || name == "x-user" {
			t.Errorf("%s is set and removed: Envoy removes last", name)
		}
	}
}

// TestMetadataSaysWhatWasNotEnforced: access logs tell a grant that report mode
// made.
func TestMetadataSaysWhatWasNotEnforced(t *testing.T) {
	rule := signing()
	rule.Report, rule.Judge = true, refuseAll{}
	m := checked(t.Context(), NewServer(authorizer(t, rule), nil), encoded(message()))
	if fields := m.GetDynamicMetadata().AsMap(); !consistent(t, m) || fields["would_deny"] != "not_allowed" || fields["outcome"] != "allow" {
		t.Errorf("%v", fields)
	}
}

func TestFaultsAreDenials(t *testing.T) {
	rule := func(f authenticate) *authz.Rule {
		r := signing()
		r.Authenticate = []authz.Authenticator{f}
		return r
	}
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	for name, c := range map[string]struct {
		ctx     context.Context
		rule    *authz.Rule
		message []byte
		status  int
	}{
		"undecodable":        {rule: signing(), message: []byte("\xff"), status: 400},
		"garbage at the end": {rule: signing(), message: append(encoded(message()), 0xff), status: 400},
		"empty message":      {rule: signing(), message: []byte{}, status: 400},
		"no HTTP request":    {rule: signing(), message: encoded(&authv3.CheckRequest{Attributes: &authv3.AttributeContext{}}), status: 400},
		"two hosts":          {rule: signing(), message: encoded(message(func(h *authv3.AttributeContext_HttpRequest) { h.Host = "a,b" })), status: 400},
		"no path":            {rule: signing(), message: encoded(message(func(h *authv3.AttributeContext_HttpRequest) { h.Path = "" })), status: 400},
		"authority in path":  {rule: signing(), message: encoded(message(func(h *authv3.AttributeContext_HttpRequest) { h.Path = "http://x/" })), status: 400},
		"late":               {ctx: expired, rule: signing(), status: 503},
		"late, public":       {ctx: expired, rule: &authz.Rule{Name: "p", Public: true}, status: 503},
		"panic": {rule: rule(func(context.Context, *authz.Request, *authz.Effects) (*authz.Identity, error) {
			panic("boom")
		}), status: 503},
		"error": {rule: rule(func(context.Context, *authz.Request, *authz.Effects) (*authz.Identity, error) {
			return nil, errors.New("broken")
		}), status: 503},
		"no identity": {rule: rule(func(context.Context, *authz.Request, *authz.Effects) (*authz.Identity, error) { return nil, nil }), status: 503},
	} {
		t.Run(name, func(t *testing.T) {
			var records []authz.Record
			s := NewServer(authorizer(t, c.rule), func(r authz.Record) bool { records = append(records, r); return true })
			if c.ctx == nil {
				c.ctx = t.Context()
			}
			if c.message == nil {
				c.message = encoded(message())
			}
			m := checked(c.ctx, s, c.message)
			if consistent(t, m) {
				t.Fatal("let through")
			}
			if got := int(m.GetDeniedResponse().GetStatus().GetCode()); got != c.status {
				t.Errorf("status %d, want %d", got, c.status)
			}
			if len(records) != 1 || records[0].Outcome != authz.Deny {
				t.Errorf("records: %+v", records)
			}
		})
	}
}

// unhurried decides as if the caller still waited.
type unhurried struct{ *authz.Authorizer }

func (a unhurried) Authorize(_ context.Context, r *authz.Request) authz.Decision {
	return a.Authorizer.Authorize(context.Background(), r)
}

// TestGrantsThatAreNotSent: what the core granted too late or cannot be written
// is a denial in the answer and in the record.
func TestGrantsThatAreNotSent(t *testing.T) {
	expired, cancel := context.WithCancel(t.Context())
	cancel()
	unwritable, err := authz.New(authz.Options{
		Policy: policyFunc(func(*authz.Request) (*authz.Rule, *authz.Denial) { return signing(), nil }), Signer: badSigner{},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ctx    context.Context
		a      Authorizer
		reason authz.Reason
	}{
		"too late":      {expired, unhurried{authorizer(t, signing())}, authz.DeadlineExceeded},
		"not text":      {t.Context(), unwritable, authz.Fault},
		"sent for once": {t.Context(), unhurried{authorizer(t, signing())}, authz.Allowed},
	} {
		var record authz.Record
		m := checked(c.ctx, NewServer(c.a, func(r authz.Record) bool { record = r; return true }), encoded(message()))
		if allowed := consistent(t, m); allowed != (c.reason == authz.Allowed) || record.Reason != c.reason {
			t.Errorf("%s: allowed %v, %+v", name, allowed, record)
		}
	}
}

// TestNoRecordNoGrant: a grant that cannot be recorded is not given.
func TestNoRecordNoGrant(t *testing.T) {
	for name, observe := range map[string]func(authz.Record) bool{
		"full":      func(authz.Record) bool { return false },
		"panicking": func(authz.Record) bool { panic("boom") },
	} {
		var reasons []authz.Reason
		s := NewServer(authorizer(t, signing()), func(r authz.Record) bool { reasons = append(reasons, r.Reason); return observe(r) })
		m := checked(t.Context(), s, encoded(message()))
		if consistent(t, m) || m.GetDeniedResponse().GetStatus().GetCode() != 503 || m.GetOkResponse() != nil {
			t.Errorf("%s: %v", name, m)
		}
		if !slices.Equal(reasons, []authz.Reason{authz.Allowed, authz.Unrecorded}) {
			t.Errorf("%s: observed %v", name, reasons)
		}
		m = checked(t.Context(), NewServer(authorizer(t, nil), observe), encoded(message()))
		if consistent(t, m) || m.GetDeniedResponse().GetStatus().GetCode() != 403 {
			t.Errorf("%s: a denial is given in any case: %v", name, m)
		}
	}
}

type badSigner struct{ signer }

func (badSigner) Sign(context.Context, []byte) (string, string, error) { return "a.\xff.c", "k1", nil }

// TestGarbageOnTheWire sends what is no CheckRequest at all: with
// failure_mode_allow, a gRPC error would let the request through.
func TestGarbageOnTheWire(t *testing.T) {
	conn := serve(t, authorizer(t, signing()))
	for name, body := range map[string][]byte{
		"not protobuf":       []byte("\xff\xff\xff\xff\xff"),
		"truncated":          {0x0a, 0x7f, 0x01},
		"text not UTF-8":     mustMarshal(t, message(), "app.example", "ap\xff\xfeexample"),
		"wrong wire type":    {0x08, 0x01},
		"group never closed": {0x0b},
	} {
		t.Run(name, func(t *testing.T) {
			var raw []byte
			err := conn.Invoke(t.Context(), "/"+ServiceName+"/Check", &body, &raw, grpc.ForceCodec(rawCodec{}))
			if err != nil {
				t.Fatalf("gRPC error: %v", err)
			}
			var m authv3.CheckResponse
			if err := proto.Unmarshal(raw, &m); err != nil {
				t.Fatal(err)
			}
			if consistent(t, &m) || m.GetDeniedResponse().GetStatus().GetCode() != 400 {
				t.Fatalf("answer: %v", &m)
			}
		})
	}
}

func TestClientReadsWhatTheServerSays(t *testing.T) {
	client := NewClient(serve(t, authorizer(t, signing())))
	answer, err := client.Check(t.Context(), question(t, "GET", "https://app.example/v1/x"))
	if err != nil || !answer.Allowed {
		t.Fatalf("%+v, %v", answer, err)
	}
	if answer.Set[authz.DefaultHeader] != "signed.by.k1" || answer.Set["x-user"] != "alice" || answer.Metadata["kid"] != "k1" {
		t.Errorf("answer: %+v", answer)
	}
	client = NewClient(serve(t, authorizer(t, nil)))
	answer, err = client.Check(t.Context(), question(t, "GET", "https://app.example/v1/x"))
	if err != nil || answer.Allowed || answer.Status != 403 || answer.Header.Get(DecisionHeader) == "" {
		t.Fatalf("%+v, %v", answer, err)
	}
	if !strings.Contains(answer.Body, `"reason":"no_rule"`) {
		t.Errorf("body: %s", answer.Body)
	}
}

func serve(t *testing.T, a Authorizer) *grpc.ClientConn {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(GRPCOptions()...)
	NewServer(a, nil).Register(server)
	go server.Serve(socket)
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(socket.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// rawCodec carries bytes as they are.
type rawCodec struct{}

func (rawCodec) Name() string                  { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(b []byte, v any) error {
	into, ok := v.(*[]byte)
	if !ok {
		return io.ErrUnexpectedEOF
	}
	*into = append([]byte(nil), b...)
	return nil
}

// mustMarshal encodes m and replaces a text in the bytes by one of equal length.
func mustMarshal(t *testing.T, m proto.Message, old, new string) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(old) != len(new) || !strings.Contains(string(b), old) {
		t.Fatalf("cannot replace %q", old)
	}
	return []byte(strings.Replace(string(b), old, new, 1))
}
