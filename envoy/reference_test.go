package envoy

// The generated types are the reference for what is read and written by hand:
// this file is the adapter made of them, and tests compare the two.

import (
	"context"
	"crypto/x509"
	"iter"
	"net/http"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"privyseal/authz"
)

// referenceResponse is the answer for a decision, made of the generated types.
func referenceResponse(d *authz.Decision) *authv3.CheckResponse {
	if g := d.Grant(); g != nil {
		return referenceGranted(d, g)
	}
	return referenceReplied(d, d.Reply())
}

func referenceGranted(d *authz.Decision, g *authz.Grant) *authv3.CheckResponse {
	ok := &authv3.OkHttpResponse{HeadersToRemove: g.Remove()}
	for _, f := range g.Set() {
		ok.Headers = append(ok.Headers, referenceOverwrite(f.Name, f.Value))
	}
	for _, cookie := range d.SetCookies() {
		ok.ResponseHeadersToAdd = append(ok.ResponseHeadersToAdd, referenceAdd("set-cookie", cookie))
	}
	if len(d.SetCookies()) > 0 {
		ok.ResponseHeadersToAdd = append(ok.ResponseHeadersToAdd, referenceOverwrite("cache-control", "no-store"))
	}
	return &authv3.CheckResponse{
		Status:          &status.Status{Code: int32(codes.OK)},
		HttpResponse:    &authv3.CheckResponse_OkResponse{OkResponse: ok},
		DynamicMetadata: referenceMetadata(&d.Record),
	}
}

func referenceReplied(d *authz.Decision, reply *authz.Reply) *authv3.CheckResponse {
	denied := &authv3.DeniedHttpResponse{
		Status:  &typev3.HttpStatus{Code: typev3.StatusCode(reply.Status)},
		Body:    strings.ToValidUTF8(string(reply.Body), "?"),
		Headers: []*corev3.HeaderValueOption{referenceOverwrite("cache-control", "no-store")},
	}
	set := func(name, value string) {
		if value != "" && text(value) {
			denied.Headers = append(denied.Headers, referenceOverwrite(name, value))
		}
	}
	set(DecisionHeader, d.Record.ID)
	set("location", reply.Location)
	if len(reply.Body) > 0 {
		set("content-type", reply.ContentType)
		set("x-content-type-options", "nosniff")
	}
	if reply.ContentType == authz.PageType {
		set("content-security-policy", authz.PagePolicy())
		set("referrer-policy", "same-origin")
	}
	if reply.Status == http.StatusServiceUnavailable {
		set("retry-after", "1")
	}
	for _, challenge := range reply.Challenges {
		if text(challenge) {
			denied.Headers = append(denied.Headers, referenceAdd("www-authenticate", challenge))
		}
	}
	for _, cookie := range d.SetCookies() {
		if text(cookie) {
			denied.Headers = append(denied.Headers, referenceAdd("set-cookie", cookie))
		}
	}
	return &authv3.CheckResponse{
		Status:          &status.Status{Code: int32(codeOf(reply.Status))},
		HttpResponse:    &authv3.CheckResponse_DeniedResponse{DeniedResponse: denied},
		DynamicMetadata: referenceMetadata(&d.Record),
	}
}

func referenceOverwrite(name, value string) *corev3.HeaderValueOption {
	return referenceOption(name, value, corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD)
}

func referenceAdd(name, value string) *corev3.HeaderValueOption {
	return referenceOption(name, value, corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD)
}

func referenceOption(name, value string, action corev3.HeaderValueOption_HeaderAppendAction) *corev3.HeaderValueOption {
	o := &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}, AppendAction: action}
	if action == corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
		o.Append = wrapperspb.Bool(false) //lint:ignore SA1019 deprecated in the API, decisive in Envoy
	}
	return o
}

func referenceMetadata(rec *authz.Record) *structpb.Struct {
	fields := map[string]*structpb.Value{}
	for _, f := range [...]authz.Field{
		{Name: "decision_id", Value: rec.ID}, {Name: "outcome", Value: string(rec.Outcome)}, {Name: "reason", Value: string(rec.Reason)},
		{Name: "would_deny", Value: string(rec.WouldDeny)}, {Name: "rule", Value: rec.Rule}, {Name: "source", Value: rec.Source}, {Name: "subject", Value: rec.Subject},
		{Name: "audience", Value: rec.Audience}, {Name: "kid", Value: rec.KeyID}, {Name: "jti", Value: rec.JWTID},
	} {
		if f.Value != "" {
			fields[f.Name] = structpb.NewStringValue(strings.ToValidUTF8(f.Value, "?"))
		}
	}
	return &structpb.Struct{Fields: fields}
}

// referenceRequest reads a CheckRequest with the generated types.
func referenceRequest(m *authv3.CheckRequest) (*authz.Request, *authz.Denial) {
	http := m.GetAttributes().GetRequest().GetHttp()
	if http == nil {
		return nil, &authz.Denial{Reason: authz.MalformedRequest, Detail: "the check request describes no HTTP request"}
	}
	headers := referenceHeadersOf(http)
	r, denial := authz.NewRequest(http.GetMethod(), http.GetScheme(), http.GetHost(), http.GetPath())
	if denial != nil {
		return &authz.Request{Headers: headers}, denial
	}
	r.Ambiguous = r.Ambiguous || referenceHidesBytes(http)
	r.Headers = headers
	r.Facts = referenceFacts{m.GetAttributes()}
	r.Client = addrOf(m.GetAttributes().GetSource().GetAddress().GetSocketAddress().GetAddress())
	return r, nil
}

func referenceHidesBytes(http *authv3.AttributeContext_HttpRequest) bool {
	for _, h := range http.GetHeaderMap().GetHeaders() {
		if h.GetKey() == ":path" {
			return string(h.GetRawValue()) != http.GetPath() && h.GetValue() != http.GetPath()
		}
	}
	path, _, _ := strings.Cut(http.GetPath(), "?")
	return strings.Contains(path, "!")
}

func referenceHeadersOf(http *authv3.AttributeContext_HttpRequest) authz.Headers {
	if list := http.GetHeaderMap().GetHeaders(); len(list) > 0 {
		return referenceList(list)
	}
	return referenceMap(http.GetHeaders())
}

type referenceList []*corev3.HeaderValue

func (l referenceList) Values(name string) []string { return valuesOf(l.All(), name) }

func (l referenceList) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, h := range l {
			value := h.GetValue()
			if raw := h.GetRawValue(); len(raw) > 0 {
				value = string(raw)
			}
			if name := strings.ToLower(h.GetKey()); !strings.HasPrefix(name, ":") && !yield(name, value) {
				return
			}
		}
	}
}

type referenceMap map[string]string

func (m referenceMap) Values(name string) []string { return valuesOf(m.All(), name) }

func (m referenceMap) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for n, v := range m {
			if name := strings.ToLower(n); !strings.HasPrefix(name, ":") && !yield(name, v) {
				return
			}
		}
	}
}

func valuesOf(all iter.Seq2[string, string], name string) (values []string) {
	for n, v := range all {
		if n == name {
			values = append(values, v)
		}
	}
	return values
}

type referenceFacts struct{ attributes *authv3.AttributeContext }

func (f referenceFacts) Extension(key string) string { return f.attributes.GetContextExtensions()[key] }

func (f referenceFacts) Metadata(namespace string) (map[string]any, error) {
	s, ok := f.attributes.GetMetadataContext().GetFilterMetadata()[namespace]
	if !ok {
		return nil, nil
	}
	return s.AsMap(), nil
}

func (f referenceFacts) Peer() (principal string, leaf *x509.Certificate, err error) {
	source := f.attributes.GetSource()
	if source.GetCertificate() == "" {
		return source.GetPrincipal(), nil, nil
	}
	if leaf, err = parseLeaf(source.GetCertificate()); err != nil {
		return "", nil, err
	}
	return source.GetPrincipal(), leaf, nil
}

// referenceCheck is a whole Check with the generated types.
func referenceCheck(ctx context.Context, a Authorizer, message []byte) []byte {
	var m authv3.CheckRequest
	var d authz.Decision
	if proto.Unmarshal(message, &m) != nil {
		d = a.Refuse(ctx, nil, &authz.Denial{Reason: authz.MalformedRequest, Detail: "the check request cannot be decoded"})
	} else if r, denial := referenceRequest(&m); denial != nil {
		d = a.Refuse(ctx, r, denial)
	} else {
		d = a.Authorize(ctx, r)
	}
	b, err := proto.Marshal(referenceResponse(&d))
	if err != nil {
		panic(err)
	}
	return b
}
