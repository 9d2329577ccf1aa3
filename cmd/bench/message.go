//go:build linux

package main

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// host is the one most requests are for.
const host = "orders.example.com"

// messagePrefixBytes is the length of what gRPC writes before each message.
const messagePrefixBytes = 5

// question is a request that Envoy asks about.
type question struct {
	path          string
	authorization string // value of that header; "" for none
	certificate   string // of the client, PEM; "" for none
	principal     string
	claims        map[string]any // that a filter before ext_authz verified
	host          string
}

// browserHeaders are what a browser and the proxies on the way send: with the
// pseudo headers and the credential 20 fields and 2 kB in all.
func browserHeaders() [][2]string {
	return [][2]string{
		{"user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"},
		{"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
		{"accept-language", "en-GB,en;q=0.9,de;q=0.8"},
		{"accept-encoding", "gzip, deflate, br, zstd"},
		{"referer", "https://orders.example.com/v1/orders?page=1&sort=created"},
		{"cookie", "_session=" + strings.Repeat("c0ffee", 40) + "; theme=dark; consent=necessary"},
		{"sec-fetch-dest", "empty"}, {"sec-fetch-mode", "cors"}, {"sec-fetch-site", "same-origin"},
		{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		{"x-forwarded-for", "203.0.113.7"}, {"x-forwarded-proto", "https"},
		{"x-request-id", "7e2e1c57-5f0f-4d9a-9f35-0c9f3e6f7a11"},
		{"x-envoy-external-address", "203.0.113.7"}, {"cache-control", "no-cache"},
	}
}

// noCredential stands in authorization where a scenario needs no credential, so
// that the message is as long.
var noCredential = "Opaque " + strings.Repeat("o", 560)

// message is the CheckRequest that Envoy sends for a question, with the prefix of
// gRPC.
func (w *world) message(q question) ([]byte, error) {
	host, authorization := cmp.Or(q.host, host), cmp.Or(q.authorization, noCredential)
	m := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{
			Address: address("203.0.113.7", 51234), Principal: q.principal, Certificate: url.PathEscape(q.certificate),
		},
		Destination: &authv3.AttributeContext_Peer{Address: address("10.0.0.5", 8443)},
		Request: &authv3.AttributeContext_Request{
			Time: &timestamppb.Timestamp{Seconds: 1767225600, Nanos: 123456000},
			Http: &authv3.AttributeContext_HttpRequest{
				Id: "1234567890123456789", Method: http.MethodGet, Path: q.path, Host: host, Scheme: "https", Protocol: "HTTP/2",
			},
		},
		MetadataContext: &corev3.Metadata{},
	}}
	fields := [][2]string{{":authority", host}, {":path", q.path}, {":method", http.MethodGet}, {":scheme", "https"}}
	fields = append(append(fields, browserHeaders()...), [2]string{"authorization", authorization})
	w.setHeaders(m.Attributes.Request.Http, fields)
	if q.claims != nil {
		claims, err := structpb.NewStruct(map[string]any{"payload": q.claims})
		if err != nil {
			return nil, err
		}
		m.Attributes.MetadataContext.FilterMetadata = map[string]*structpb.Struct{"envoy.filters.http.jwt_authn": claims}
	}
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(make([]byte, messagePrefixBytes), m)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-messagePrefixBytes))
	return b, nil
}

// setHeaders writes headers as Envoy does with encode_raw_headers, or without.
func (w *world) setHeaders(http *authv3.AttributeContext_HttpRequest, fields [][2]string) {
	if w.mapHeaders {
		http.Headers = map[string]string{}
		for _, f := range fields {
			http.Headers[f[0]] = f[1]
		}
		return
	}
	http.HeaderMap = &corev3.HeaderMap{}
	for _, f := range fields {
		http.HeaderMap.Headers = append(http.HeaderMap.Headers, &corev3.HeaderValue{Key: f[0], RawValue: []byte(f[1])})
	}
}

func address(ip string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: ip, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

// verdict reads of a CheckResponse, with the prefix of gRPC, whether the request
// is let through: whether status.code is 0. A measurement of denials would be one
// of something else.
func verdict(message []byte) error {
	if len(message) < messagePrefixBytes || int(binary.BigEndian.Uint32(message[1:])) != len(message)-messagePrefixBytes {
		return errors.New("the answer is not one whole message")
	}
	status, n := field(message[messagePrefixBytes:])
	if n < 0 {
		return errors.New("the answer has no status")
	}
	for len(status) > 0 {
		number, kind, n := protowire.ConsumeTag(status)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if number == 1 && kind == protowire.VarintType {
			code, _ := protowire.ConsumeVarint(status[n:])
			if code != 0 {
				return fmt.Errorf("the request was denied: %s", reason(message))
			}
		}
		size := protowire.ConsumeFieldValue(number, kind, status[n:])
		if size < 0 {
			return protowire.ParseError(size)
		}
		status = status[n+size:]
	}
	return nil
}

// field returns field 1 of a message, a message itself.
func field(message []byte) (value []byte, n int) {
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeField(message)
		if size < 0 {
			return nil, size
		}
		if number == 1 && kind == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(message)
			return protowire.ConsumeBytes(message[tag:])
		}
		message = message[size:]
	}
	return nil, -1
}

// reason tells why a request was denied.
func reason(message []byte) string {
	var m authv3.CheckResponse
	if err := proto.Unmarshal(message[messagePrefixBytes:], &m); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("status %d, %v", m.GetDeniedResponse().GetStatus().GetCode(), m.GetDynamicMetadata().AsMap())
}
