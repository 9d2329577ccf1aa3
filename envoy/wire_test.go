package envoy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"privyseal/authz"
)

// pb writes the wire format by hand: a field with what follows, whatever it is.
func pb(number protowire.Number, parts ...any) []byte {
	var content []byte
	for _, part := range parts {
		switch part := part.(type) {
		case int:
			return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), uint64(part))
		case string:
			content = append(content, part...)
		case []byte:
			content = append(content, part...)
		}
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), content)
}

// inHTTP puts fields into attributes.request.http, beside the usual ones.
func inHTTP(fields ...any) []byte {
	return pb(1, pb(4, pb(2, pb(2, "GET"), pb(4, "/a"), pb(5, "app.example"), pb(1, "7")), pb(2, fields...)))
}

func with(fields ...any) []byte { return append(inHTTP(), pb(1, fields...)...) }

func header(key, value string) []byte { return pb(3, pb(1, key), pb(2, value)) }
func line(key, value, raw string) []byte {
	return pb(1, pb(1, key), pb(2, value), pb(3, raw))
}

func group(number protowire.Number, fields ...[]byte) []byte {
	b := protowire.AppendTag(nil, number, protowire.StartGroupType)
	return protowire.AppendTag(append(b, slices.Concat(fields...)...), number, protowire.EndGroupType)
}

func nested(depth int) []byte {
	v := pb(3, "leaf")
	for range depth {
		v = pb(6, pb(1, v))
	}
	return v
}

func manyHeaders(n int) (fields []any) {
	for i := range n {
		fields = append(fields, header(fmt.Sprint("x-", i%(n-1)), fmt.Sprint(i)))
	}
	return fields
}

// odd are messages that no Envoy sends and that the format allows or forbids.
func odd() map[string][]byte {
	metadata := func(fields ...any) []byte { return with(pb(11, pb(1, fields...))) }
	text := func(s string) []byte { return pb(1, pb(1, "k"), pb(2, pb(3, s))) } // a member of a Struct
	return map[string][]byte{
		"plain":                        inHTTP(header("a", "b")),
		"nothing":                      {},
		"no HTTP":                      with(pb(4))[len(inHTTP()):],
		"empty HTTP":                   pb(1, pb(4, pb(2))),
		"text said twice":              inHTTP(pb(5, "one.example"), pb(5, "two.example")),
		"text said twice, then empty":  inHTTP(pb(5, "one.example"), pb(5)),
		"message in two parts":         append(pb(1, pb(4, pb(2, pb(2, "PUT")))), pb(1, pb(4, pb(2, pb(4, "/b"), pb(5, "app.example"))))...),
		"header said twice":            inHTTP(header("cookie", "a=1"), header("cookie", "b=2")),
		"header in two spellings":      inHTTP(header("cookie", "a=1"), header("Cookie", "b=2")),
		"header with Kelvin sign":      inHTTP(header("coo\u212aie", "a=1")),
		"header without key":           inHTTP(pb(3, pb(2, "v"))),
		"header without value":         inHTTP(pb(3, pb(1, "x-a"))),
		"header key said twice":        inHTTP(pb(3, pb(1, "x-a"), pb(1, "x-b"), pb(2, "1"), pb(2, "2"))),
		"header with more fields":      inHTTP(pb(3, pb(1, "x-a"), pb(9, "?"), pb(2, "1"))),
		"header key as number":         inHTTP(pb(3, pb(1, 5), pb(2, "v"))),
		"header value as number":       inHTTP(pb(3, pb(1, "x-a"), pb(2, 7))),
		"header as number":             inHTTP(pb(3, 7), header("a", "b")),
		"headers in both forms":        inHTTP(header("a", "b"), pb(13, line("c", "d", ""), line("C", "", "e")), header("f", "g")),
		"list first":                   inHTTP(pb(13, line("c", "d", "")), header("a", "b"), pb(13, line("c", "again", ""))),
		"empty list":                   inHTTP(header("a", "b"), pb(13)),
		"line without key":             inHTTP(pb(13, pb(1, pb(2, "v")))),
		"raw value said twice":         inHTTP(pb(13, pb(1, pb(1, "a"), pb(2, "text"), pb(3, "raw"), pb(3)))),
		"raw value not UTF-8":          inHTTP(pb(13, line("a", "", "\xff"))),
		"path hidden":                  inHTTP(pb(13, line(":path", "", "/a\xff"), line(":path", "", "/a"))),
		"path in text":                 inHTTP(pb(13, line(":path", "/a", ""))),
		"header not UTF-8":             inHTTP(header("a", "\xff")),
		"header name not UTF-8":        inHTTP(header("\xff", "a")),
		"unread text not UTF-8":        with(pb(2, pb(2, "\xff"))),
		"metadata not UTF-8":           metadata(pb(1, "ns"), pb(2, text("\xff"))),
		"body not UTF-8":               inHTTP(pb(11, "\xff")),
		"raw body not UTF-8":           inHTTP(pb(12, "\xff")),
		"unknown field not UTF-8":      inHTTP(pb(99, "\xff")),
		"many headers":                 inHTTP(manyHeaders(maxPlainHeaders + 9)...),
		"as many as are compared":      inHTTP(manyHeaders(maxPlainHeaders)...),
		"extension said twice":         with(pb(10, pb(1, "audience"), pb(2, "a")), pb(10, pb(1, "audience"), pb(2, "b"))),
		"extension without value":      with(pb(10, pb(1, "audience"), pb(2, "a")), pb(10, pb(1, "audience"))),
		"metadata":                     metadata(pb(1, "ns"), pb(2, text("v"))),
		"metadata said twice":          with(pb(11, pb(1, pb(1, "ns"), pb(2, text("a"))), pb(1, pb(1, "ns"), pb(2, text("b"))))),
		"metadata in two parts":        metadata(pb(1, "ns"), pb(2, text("a")), pb(2, pb(1, pb(1, "l"), pb(2, pb(4, 1))))),
		"metadata without value":       metadata(pb(1, "ns")),
		"metadata of two contexts":     with(pb(11, pb(1, pb(1, "x"), pb(2, text("a")))), pb(11, pb(1, pb(1, "y"), pb(2, text("b"))))),
		"metadata of the route":        with(pb(13, pb(1, pb(1, "ns"), pb(2, text("a"))))),
		"typed metadata":               with(pb(11, pb(2, pb(1, "ns"), pb(2, pb(1, "type"), pb(2, "\xff"))))),
		"one of, said twice":           metadata(pb(1, "ns"), pb(2, pb(1, pb(1, "k"), pb(2, pb(3, "a"), pb(4, 1))))),
		"nested":                       metadata(pb(1, "ns"), pb(2, pb(1, pb(1, "k"), pb(2, nested(10))))),
		"nested deep":                  metadata(pb(1, "ns"), pb(2, pb(1, pb(1, "k"), pb(2, nested(60))))),
		"nested beyond all bounds":     metadata(pb(1, "ns"), pb(2, pb(1, pb(1, "k"), pb(2, nested(9000))))),
		"two peers":                    with(pb(1, pb(4, "spiffe://td/a")), pb(1, pb(4, "spiffe://td/b"))),
		"destination is no source":     with(pb(2, pb(4, "spiffe://td/a"), pb(5, "%"), pb(1, pb(1, pb(2, "192.0.2.1"))))),
		"certificate":                  with(pb(1, pb(4, "spiffe://td/a"), pb(5, "%zz"))),
		"address":                      with(pb(1, pb(1, pb(1, pb(2, "192.0.2.1"), pb(3, 80))))),
		"address, then pipe":           with(pb(1, pb(1, pb(1, pb(2, "192.0.2.1")), pb(2, pb(1, "/socket"))))),
		"address, pipe, address":       with(pb(1, pb(1, pb(1, pb(2, "192.0.2.1")), pb(2), pb(1, pb(3, 80))))),
		"address, internal":            with(pb(1, pb(1, pb(1, pb(2, "192.0.2.1")), pb(3, pb(1, "l"))))),
		"address in two parts":         with(pb(1, pb(1, pb(1, pb(2, "192.0.2.1"))), pb(1, pb(1, pb(3, 80))))),
		"group":                        append(inHTTP(), group(50, pb(1, "x"))...),
		"group in place of a message":  append(inHTTP(), group(1, pb(4))...),
		"group never closed":           append(inHTTP(), 0x0b),
		"group closed, never opened":   append(inHTTP(), 0x0c),
		"group closed by another":      append(inHTTP(), 0x0b, 0x14),
		"message as number":            append(inHTTP(), pb(1, 7)...),
		"number as text":               inHTTP(pb(9, "seven")),
		"number":                       inHTTP(pb(9, math.MaxInt64)),
		"fixed number":                 append(inHTTP(), 0x39, 1, 2, 3, 4, 5, 6, 7, 8, 0x3d, 1, 2, 3, 4),
		"fixed number, cut":            append(inHTTP(), 0x39, 1, 2, 3),
		"wire type 6":                  append(inHTTP(), 0x0e),
		"wire type 7":                  append(inHTTP(), 0x0f),
		"field number 0":               append(inHTTP(), 0x02, 0x00),
		"field number beyond all":      append(inHTTP(), 0x82, 0x80, 0x80, 0x80, 0x10, 0x00),
		"largest field number":         append(inHTTP(), protowire.AppendTag(nil, protowire.MaxValidNumber, protowire.BytesType)...),
		"largest field number, whole":  append(inHTTP(), pb(protowire.MaxValidNumber, "x")...),
		"tag of ten bytes":             append(inHTTP(), 0x8a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x00),
		"tag of eleven bytes":          append(inHTTP(), 0x8a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x00),
		"length of ten bytes":          append(inHTTP(), 0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00),
		"length beyond the message":    append(inHTTP(), 0x0a, 0x05, 0x01),
		"length beyond all":            append(inHTTP(), 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
		"length beyond 64 bits":        append(inHTTP(), 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"inner length beyond the part": append(inHTTP(), 0x0a, 0x02, 0x22, 0x05),
		"cut in a tag":                 append(inHTTP(), 0x8a),
		"cut in a length":              append(inHTTP(), 0x0a, 0x8a),
	}
}

// TestOddMessages: what the walk makes of a message is what the generated types
// make of it, whether it is allowed, refused or strange.
func TestOddMessages(t *testing.T) {
	s := newShape()
	for name, b := range odd() {
		t.Run(name, func(t *testing.T) { sameReading(t, s, b) })
	}
}

// TestTruncatedMessages: at every byte.
func TestTruncatedMessages(t *testing.T) {
	s, b := newShape(), encoded(full())
	for n := range b {
		sameReading(t, s, b[:n])
	}
}

// full is a message with a value in every part that is read, and in some that
// are not.
func full() *authv3.CheckRequest {
	m := message(func(h *authv3.AttributeContext_HttpRequest) {
		h.Id, h.Protocol, h.Size = "1", "HTTP/2", -1
		for i := range 20 {
			h.Headers[fmt.Sprint("x-header-", i)] = strings.Repeat("v", 20*i)
		}
	})
	metadata, _ := structpb.NewStruct(map[string]any{"payload": map[string]any{"sub": "alice", "n": 1.5, "l": []any{nil, true}}})
	m.Attributes.ContextExtensions = map[string]string{"audience": "orders", "tier": ""}
	m.Attributes.MetadataContext = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"jwt": metadata, "none": {}}}
	m.Attributes.RouteMetadataContext = m.Attributes.MetadataContext
	m.Attributes.Source = &authv3.AttributeContext_Peer{Address: socketAddress("::ffff:192.0.2.1"), Principal: "spiffe://td/a", Certificate: "%2D"}
	m.Attributes.Destination = &authv3.AttributeContext_Peer{Address: socketAddress("192.0.2.2"), Principal: "spiffe://td/b"}
	m.Attributes.TlsSession = &authv3.AttributeContext_TLSSession{Sni: "app.example"}
	return m
}

// TestPlainMessagesNeedNoReference: what Envoy sends is read by the walk alone.
func TestPlainMessagesNeedNoReference(t *testing.T) {
	listed := full()
	listed.Attributes.Request.Http.Headers = nil
	listed.Attributes.Request.Http.HeaderMap = &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: ":path", RawValue: []byte("/v1/x?q=1")}, {Key: "a", RawValue: []byte("\xff")}}}
	for name, m := range map[string]*authv3.CheckRequest{"map": full(), "list": listed} {
		var read checkRequest
		if !read.walk(encoded(m), newShape(), 0) {
			t.Errorf("%s: odd", name)
		}
	}
}

// TestNothingOfOneMessageIsInTheNext: the same memory reads them.
func TestNothingOfOneMessageIsInTheNext(t *testing.T) {
	var read checkRequest
	s := newShape()
	if err := read.read(encoded(full()), s); err != nil {
		t.Fatal(err)
	}
	if err := read.read([]byte{}, s); err != nil || !reflect.DeepEqual(meaning(&read), meaning(&checkRequest{})) {
		t.Fatalf("%+v, %v", read, err)
	}
	if cap(read.extensions) == 0 || read.extensions[:1][0] != (entry{}) || cap(read.metadata) == 0 || read.metadata[:1][0] != (entry{}) {
		t.Error("facts of the last message are kept")
	}
	if strings.Join(read.headers.names[:cap(read.headers.names)], "")+strings.Join(read.headers.values[:cap(read.headers.values)], "") != "" {
		t.Error("strings of the last message are kept")
	}
}

// TestRecordsOwnTheirStrings: the memory of a message is used again.
func TestRecordsOwnTheirStrings(t *testing.T) {
	for name, rule := range map[string]*authz.Rule{"public": {Name: "p", Public: true}, "signed": signing(), "no rule": nil} {
		var record authz.Record
		s := NewServer(still(t, rule), func(r authz.Record) bool { record = r; return true })
		b := encoded(message(odderHeaders, func(h *authv3.AttributeContext_HttpRequest) {
			h.Host, h.Headers["x-request-id"], h.Headers[":path"] = "app.example", "abc", h.Path
		}))
		s.check(t.Context(), b)
		before := strings.Clone(fmt.Sprintf("%+v", record))
		clear(b)
		if after := fmt.Sprintf("%+v", record); after != before || !strings.Contains(after, "app.example") || !strings.Contains(after, "abc") {
			t.Errorf("%s: the record changed with the message:\n%s\n%s", name, before, after)
		}
	}
}

// TestCachesOwnTheirStrings: what was kept of a message is whole when the memory
// of the message holds another.
func TestCachesOwnTheirStrings(t *testing.T) {
	w := newWhole(t, newRing(t), authz.AssertionOptions{})
	s := NewServer(w, nil)
	for name, b := range map[string][]byte{"token": w.token("alice"), "certificate": w.certificate(t)} {
		again := slices.Clone(b)
		first := checked(t.Context(), s, b)
		for i := range b {
			b[i] = 'z'
		}
		second := checked(t.Context(), s, again)
		if !consistent(t, first) || !consistent(t, second) || claimsOf(t, first) != claimsOf(t, second) {
			t.Errorf("%s: %s, then %s", name, claimsOf(t, first), claimsOf(t, second))
		}
	}
}

// claimsOf are the claims of the assertion in an answer, without those of the
// moment, which are the last.
func claimsOf(t *testing.T, m *authv3.CheckResponse) string {
	t.Helper()
	for _, o := range m.GetOkResponse().GetHeaders() {
		if parts := strings.Split(o.GetHeader().GetValue(), "."); o.GetHeader().GetKey() == authz.DefaultHeader && len(parts) == 3 {
			payload, err := base64.RawURLEncoding.DecodeString(parts[1])
			if err != nil {
				t.Fatal(err)
			}
			claims, _, _ := strings.Cut(string(payload), `,"iat":`)
			return claims
		}
	}
	return ""
}

// meaning is what a request is made of, without spare memory.
func meaning(m *checkRequest) []any {
	return []any{m.texts, m.http, m.headers.list, m.headers.hasPath, len(m.headers.names), len(m.headers.values), len(m.extensions), len(m.metadata)}
}

func FuzzReading(f *testing.F) {
	for _, b := range odd() {
		f.Add(b)
	}
	f.Add(encoded(full()))
	s := newShape()
	f.Fuzz(func(t *testing.T, b []byte) { sameReading(t, s, b) })
}

// sameReading compares the two readings of a message in everything that a
// decision may see.
func sameReading(t *testing.T, s *shape, b []byte) {
	t.Helper()
	var m authv3.CheckRequest
	refused := proto.Unmarshal(b, &m)
	var read checkRequest
	if read.walk(b, s, 0) && refused != nil {
		t.Fatalf("plain, and refused by the generated types: %v", refused)
	}
	err := read.read(b, s)
	if errors.Is(err, errTooDeep) {
		return // our own bound
	}
	if (err != nil) != (refused != nil) {
		t.Fatalf("read: %v; the generated types: %v", err, refused)
	}
	if err != nil {
		return
	}
	got, denial := read.request()
	want, wantDenial := referenceRequest(&m)
	if !reflect.DeepEqual(denial, wantDenial) {
		t.Fatalf("denial %+v, want %+v", denial, wantDenial)
	}
	if got == nil {
		return
	}
	sameHeaders(t, got.Headers, want.Headers, len(m.GetAttributes().GetRequest().GetHttp().GetHeaderMap().GetHeaders()) > 0)
	if denial == nil {
		sameFacts(t, got.Facts, want.Facts, m.GetAttributes())
	}
	got.Headers, want.Headers, got.Facts, want.Facts = nil, nil, nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("request %+v, want %+v", got, want)
	}
}

func sameHeaders(t *testing.T, got, want authz.Headers, ordered bool) {
	t.Helper()
	list := func(h authz.Headers) (fields []authz.Field) {
		for n, v := range h.All() {
			fields = append(fields, authz.Field{Name: n, Value: v})
		}
		if !ordered {
			slices.SortFunc(fields, func(a, b authz.Field) int { return strings.Compare(a.Name+"\x00"+a.Value, b.Name+"\x00"+b.Value) })
		}
		return fields
	}
	if !slices.Equal(list(got), list(want)) {
		t.Fatalf("headers %q, want %q", list(got), list(want))
	}
	for _, f := range append(list(want), authz.Field{Name: "absent"}) {
		g, w := got.Values(f.Name), want.Values(f.Name)
		if !ordered {
			g, w = slices.Sorted(slices.Values(g)), slices.Sorted(slices.Values(w))
		}
		if !slices.Equal(g, w) {
			t.Fatalf("values of %q: %q, want %q", f.Name, g, w)
		}
	}
}

func sameFacts(t *testing.T, got, want authz.Facts, a *authv3.AttributeContext) {
	t.Helper()
	for _, key := range append(slices.Collect(maps.Keys(a.GetContextExtensions())), "absent") {
		if got.Extension(key) != want.Extension(key) {
			t.Fatalf("extension %q: %q, want %q", key, got.Extension(key), want.Extension(key))
		}
	}
	for _, name := range append(slices.Collect(maps.Keys(a.GetMetadataContext().GetFilterMetadata())), "absent") {
		g, err := got.Metadata(name)
		w, _ := want.Metadata(name)
		if err != nil || fmt.Sprint(g) != fmt.Sprint(w) || (g == nil) != (w == nil) { // NaN is not equal to itself
			t.Fatalf("metadata %q: %v, %v; want %v", name, g, err, w)
		}
	}
	gotName, gotLeaf, gotErr := got.Peer()
	wantName, wantLeaf, wantErr := want.Peer()
	if gotName != wantName || (gotLeaf == nil) != (wantLeaf == nil) || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
		t.Fatalf("peer %q %v %v, want %q %v %v", gotName, gotLeaf, gotErr, wantName, wantLeaf, wantErr)
	}
}

// TestAnswersAreThoseOfTheGeneratedTypes, for grants, denials and replies with
// everything they can hold.
func TestAnswersAreThoseOfTheGeneratedTypes(t *testing.T) {
	reply := func(r *authz.Reply, cookies ...string) *authz.Rule {
		rule := signing()
		rule.Authenticate = []authz.Authenticator{authenticate(func(_ context.Context, _ *authz.Request, fx *authz.Effects) (*authz.Identity, error) {
			for _, c := range cookies {
				fx.SetCookie(c)
			}
			if r == nil {
				return alice, nil
			}
			return nil, &authz.Denial{Reason: authz.Unauthenticated, Detail: "d\xff", Reply: r}
		})}
		return rule
	}
	long := strings.Repeat("é", 40000)
	for name, rule := range map[string]*authz.Rule{
		"public":         {Name: "p", Public: true},
		"no rule":        nil,
		"signed":         reply(nil),
		"with a cookie":  reply(nil, "a=1; Secure", long),
		"redirect":       reply(&authz.Reply{Status: 302, Location: "https://idp.example/?a=b"}, "a=1"),
		"bad location":   reply(&authz.Reply{Status: 302, Location: "https://idp.example/\r\n"}),
		"challenges":     reply(&authz.Reply{Status: 401, Challenges: []string{"Bearer", "", "bad\xff", "Basic"}}),
		"unavailable":    reply(&authz.Reply{Status: 503, Body: []byte("later\xff\xfe"), ContentType: "text/plain"}),
		"large body":     reply(&authz.Reply{Status: 403, Body: []byte(long)}),
		"no status":      reply(&authz.Reply{}),
		"strange status": reply(&authz.Reply{Status: 599}),
	} {
		t.Run(name, func(t *testing.T) {
			a := still(t, rule)
			s := NewServer(a, nil)
			for _, b := range [][]byte{encoded(full()), encoded(message(odderHeaders)), {}, []byte("\xff")} {
				sameAnswer(t, s, a, b)
			}
		})
	}
}

func odderHeaders(h *authv3.AttributeContext_HttpRequest) {
	h.Headers["cookie"] = "a=1; __Host-privyseal_s=2,b=\u00e9"
	h.Headers["x_pomerium-any"] = "1"
	h.Headers["x-pomerium-jwt.assertion"] = "2"
}

// FuzzAnswers: whatever the bytes, the answer is that of the generated types.
func FuzzAnswers(f *testing.F) {
	for _, b := range odd() {
		f.Add(b)
	}
	f.Add(encoded(message(odderHeaders)))
	a := still(f, signing())
	s := NewServer(a, nil)
	f.Fuzz(func(t *testing.T, b []byte) { sameAnswer(t, s, a, b) })
}

// still is an authorizer whose clock and randomness stand still.
func still(t testing.TB, rule *authz.Rule) *authz.Authorizer {
	a, err := authz.New(authz.Options{
		Policy: policyFunc(func(*authz.Request) (*authz.Rule, *authz.Denial) { return rule, nil }), Signer: signer{},
		Assertion: authz.AssertionOptions{ClaimHeaders: map[string]string{"x-user": "sub"}},
		Now:       func() time.Time { return time.Unix(1, 0) }, Rand: sameBytes{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

type sameBytes struct{}

func (sameBytes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func sameAnswer(t *testing.T, s *Server, a *authz.Authorizer, b []byte) {
	t.Helper()
	var read checkRequest
	if errors.Is(read.read(b, s.shape), errTooDeep) {
		return
	}
	got := checked(t.Context(), s, b)
	var want authv3.CheckResponse
	if err := proto.Unmarshal(referenceCheck(t.Context(), a, b), &want); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got.GetOkResponse().GetHeadersToRemove()) // maps have no order
	slices.Sort(want.GetOkResponse().GetHeadersToRemove())
	if !proto.Equal(got, &want) {
		t.Fatalf("answer %v\nwant   %v", got, &want)
	}
}
