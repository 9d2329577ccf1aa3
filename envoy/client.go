package envoy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// Client asks an ext_authz service about requests, as Envoy would.
type Client struct{ auth authv3.AuthorizationClient }

// NewClient makes a Client of a connection, which stays the caller's.
func NewClient(conn grpc.ClientConnInterface) *Client {
	return &Client{authv3.NewAuthorizationClient(conn)}
}

// Question is a request to ask about.
type Question struct {
	Method     string
	URL        *url.URL
	Header     http.Header
	Extensions map[string]string // context extensions of the route
	Client     string            // IP address of the peer
}

// Answer is what Envoy would do.
type Answer struct {
	Allowed  bool
	Status   int               // of the reply, when not allowed
	Set      map[string]string // request headers
	Remove   []string          // request headers
	Header   http.Header       // of the response, or to be added to it
	Body     string
	Metadata map[string]any // for access logs: decision_id, reason, rule, …
}

// Check asks about one request. An error is one of the transport: Envoy would
// answer with its status_on_error.
func (c *Client) Check(ctx context.Context, q Question) (*Answer, error) {
	if q.URL == nil || q.URL.Host == "" {
		return nil, errors.New("envoy: the URL of a request to check needs a host")
	}
	attributes := &authv3.AttributeContext{
		Source:            &authv3.AttributeContext_Peer{Address: socketAddress(q.Client)},
		Request:           &authv3.AttributeContext_Request{Http: httpRequest(q)},
		ContextExtensions: q.Extensions,
	}
	m, err := c.auth.Check(ctx, &authv3.CheckRequest{Attributes: attributes})
	if err != nil {
		return nil, fmt.Errorf("envoy: check: %w", err)
	}
	return answerOf(m), nil
}

func httpRequest(q Question) *authv3.AttributeContext_HttpRequest {
	var list []*corev3.HeaderValue
	for name, values := range q.Header {
		for _, v := range values {
			list = append(list, &corev3.HeaderValue{Key: strings.ToLower(name), RawValue: []byte(v)})
		}
	}
	list = append(list,
		&corev3.HeaderValue{Key: ":authority", RawValue: []byte(q.URL.Host)},
		&corev3.HeaderValue{Key: ":path", RawValue: []byte(q.URL.RequestURI())})
	return &authv3.AttributeContext_HttpRequest{
		Method: q.Method, Scheme: q.URL.Scheme, Host: q.URL.Host, Path: q.URL.RequestURI(), Protocol: "HTTP/1.1",
		HeaderMap: &corev3.HeaderMap{Headers: list},
	}
}

func socketAddress(ip string) *corev3.Address {
	if ip == "" {
		return nil
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{Address: ip}}}
}

// answerOf reads a response as Envoy 1.40 does: the code decides.
func answerOf(m *authv3.CheckResponse) *Answer {
	a := &Answer{
		Allowed: m.GetStatus().GetCode() == int32(codes.OK),
		Header:  http.Header{}, Metadata: m.GetDynamicMetadata().AsMap(),
	}
	if a.Allowed {
		ok := m.GetOkResponse()
		a.Set = map[string]string{}
		for _, o := range ok.GetHeaders() {
			a.Set[o.GetHeader().GetKey()] = o.GetHeader().GetValue()
		}
		a.Remove = ok.GetHeadersToRemove()
		addTo(a.Header, ok.GetResponseHeadersToAdd())
		return a
	}
	denied := m.GetDeniedResponse()
	a.Status, a.Body = int(denied.GetStatus().GetCode()), denied.GetBody()
	if a.Status == 0 {
		a.Status = http.StatusForbidden
	}
	addTo(a.Header, denied.GetHeaders())
	return a
}

func addTo(h http.Header, options []*corev3.HeaderValueOption) {
	for _, o := range options {
		h.Add(o.GetHeader().GetKey(), o.GetHeader().GetValue())
	}
}
