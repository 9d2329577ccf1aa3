package envoy

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"privyseal/authz"
)

// DecisionHeader names the decision in the response to a request that was not
// let through.
const DecisionHeader = "x-privyseal-decision"

// response makes the answer for a decision. granted and replied are the only
// two functions that make a CheckResponse from one; status.code and body are
// written together.
func response(d *authz.Decision) *authv3.CheckResponse {
	if g := d.Grant(); g != nil {
		return granted(d, g)
	}
	return replied(d, d.Reply())
}

// writable reports whether every header is text that protobuf can carry and a
// header can hold. The core makes no other; if it ever did, the answer would
// become a gRPC error, so the server refuses instead.
func writable(fields []authz.Field) bool {
	for i := range fields {
		if !text(fields[i].Name) || !text(fields[i].Value) {
			return false
		}
	}
	return true
}

func text(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f })
}

func granted(d *authz.Decision, g *authz.Grant) *authv3.CheckResponse {
	ok := &authv3.OkHttpResponse{HeadersToRemove: g.Remove()}
	for _, f := range g.Set() {
		ok.Headers = append(ok.Headers, overwrite(f.Name, f.Value))
	}
	for _, cookie := range d.SetCookies() {
		ok.ResponseHeadersToAdd = append(ok.ResponseHeadersToAdd, add("set-cookie", cookie))
	}
	return &authv3.CheckResponse{
		Status:          &status.Status{Code: int32(codes.OK)},
		HttpResponse:    &authv3.CheckResponse_OkResponse{OkResponse: ok},
		DynamicMetadata: metadata(&d.Record),
	}
}

func replied(d *authz.Decision, reply *authz.Reply) *authv3.CheckResponse {
	denied := &authv3.DeniedHttpResponse{
		Status:  &typev3.HttpStatus{Code: typev3.StatusCode(reply.Status)},
		Body:    strings.ToValidUTF8(string(reply.Body), "?"),
		Headers: []*corev3.HeaderValueOption{overwrite("cache-control", "no-store")},
	}
	set := func(name, value string) {
		if value != "" && text(value) {
			denied.Headers = append(denied.Headers, overwrite(name, value))
		}
	}
	set(DecisionHeader, d.Record.ID)
	set("location", reply.Location)
	if len(reply.Body) > 0 {
		set("content-type", reply.ContentType)
		set("x-content-type-options", "nosniff")
	}
	if reply.Status == http.StatusServiceUnavailable {
		set("retry-after", "1")
	}
	for _, challenge := range reply.Challenges {
		if text(challenge) {
			denied.Headers = append(denied.Headers, add("www-authenticate", challenge))
		}
	}
	for _, cookie := range d.SetCookies() {
		if text(cookie) {
			denied.Headers = append(denied.Headers, add("set-cookie", cookie))
		}
	}
	return &authv3.CheckResponse{
		Status:          &status.Status{Code: int32(codeOf(reply.Status))},
		HttpResponse:    &authv3.CheckResponse_DeniedResponse{DeniedResponse: denied},
		DynamicMetadata: metadata(&d.Record),
	}
}

// codeOf returns a gRPC code that is not OK; beyond that Envoy does not look at
// it.
func codeOf(status int) codes.Code {
	switch status {
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	}
	return codes.PermissionDenied
}

// overwrite sets a header in place of every value it has. Envoy reads append and
// ignores append_action in request headers, and has done the reverse.
func overwrite(name, value string) *corev3.HeaderValueOption {
	return option(name, value, corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD)
}

// add adds a line to a response. Envoy drops lines with append: true from a
// denial, so append stays unset.
func add(name, value string) *corev3.HeaderValueOption {
	return option(name, value, corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD)
}

func option(name, value string, action corev3.HeaderValueOption_HeaderAppendAction) *corev3.HeaderValueOption {
	o := &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}, AppendAction: action}
	if action == corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
		o.Append = wrapperspb.Bool(false) //lint:ignore SA1019 deprecated in the API, decisive in Envoy
	}
	return o
}

// metadata is what Envoy's access log, RBAC and rate limits may see of a
// decision, under envoy.filters.http.ext_authz. It never holds the assertion.
func metadata(rec *authz.Record) *structpb.Struct {
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
