package policy_test

import (
	"testing"

	"privyseal/authz"
	"privyseal/authz/policy"
)

func TestGRPCMethods(t *testing.T) {
	p := compile(t, within(),
		public("get", policy.Match{GRPC: []string{"shop.v1.Orders/Get", "Plain/List"}}),
		public("orders", policy.Match{Hosts: []string{"a.example", "*.a.example"}, GRPC: []string{"shop.v1.Orders/*"}}),
		policy.Rule{Name: "nest", Match: policy.Match{Paths: []string{"/nest.S/**"}}, Rules: []policy.Rule{
			public("call", policy.Match{GRPC: []string{"nest.S/Call"}}),
			public("page", policy.Match{Methods: []string{"GET"}}),
		}},
	)
	const grpc = "application/grpc"
	for _, c := range []struct{ line, contentType, want string }{
		{"POST a.example /shop.v1.Orders/Get", grpc, "get"},
		{"POST a.example /shop.v1.Orders/Get", "application/grpc+proto", "get"},
		{"POST a.example /shop.v1.Orders/Get", "application/grpc; charset=utf-8", "get"},
		{"POST a.example /shop.v1.Orders/Get", "Application/gRPC+json", "get"},
		{"POST a.example /shop.v1.Orders/Get", "application/grpc-web", "get"},
		{"POST a.example /shop.v1.Orders/Get", "application/grpc-web-text+proto", "get"},
		{"POST a.example /shop.v1.Orders/%47et", grpc, "get"}, // one canonical form, for rules of all kinds
		{"POST a.example /shop.v1.Orders/Get?x=1", grpc, "get"},
		{"POST a.example /Plain/List", grpc, "get"},
		{"POST a.example /shop.v1.Orders/Delete", grpc, "orders"},
		{"POST b.a.example /shop.v1.Orders/get", grpc, "orders"}, // case counts
		{"POST b.example /shop.v1.Orders/Delete", grpc, "no_rule"},
		{"POST a.example /shop.v1.Orders/Get/x", grpc, "no_rule"},
		{"POST a.example /x/shop.v1.Orders/Get", grpc, "no_rule"},
		{"POST a.example /shop.v1.OrdersX/Get", grpc, "no_rule"},
		{"GET a.example /shop.v1.Orders/Get", grpc, "no_rule"},
		{"POST a.example /shop.v1.Orders/Get", "application/json", "no_rule"},
		{"POST a.example /shop.v1.Orders/Get", "application/grpcx", "no_rule"},
		{"POST a.example /shop.v1.Orders/Get", "text/plain, application/grpc", "no_rule"},
		{"POST a.example /shop.v1.Orders/Get", "application/grpc,text/plain", "no_rule"},
		{"POST a.example /shop.v1.Orders/Get", "application/grpc+proto,text/plain", "no_rule"},
		{"POST a.example /shop.v1.Orders/Get", "application/grpc; a=b, text/plain", "no_rule"},
		{"POST a.example /shop.v1.Orders/Get", "", "no_rule"},
		{"POST a.example //shop.v1.Orders/Get", grpc, "ambiguous_path"},
		{"POST a.example /x/../shop.v1.Orders/Get", grpc, "ambiguous_path"},
		{"POST a.example /shop.v1.Orders%2fGet", grpc, "ambiguous_path"},
		{"POST a.example /shop.v1.Orders;a/Get", grpc, "ambiguous_path"},
		{"POST a.example /nest.S/Call", grpc, "call"},
		{"POST a.example /nest.S/Call", "text/html", "no_rule(nest)"},
		{"GET a.example /nest.S/Call", grpc, "page"},
	} {
		r := request(t, c.line)
		r.Headers = authz.HeaderMap{}
		if c.contentType != "" {
			r.Headers = authz.HeaderMap{"content-type": {c.contentType}}
		}
		if got := verdict(t, p, r); got != c.want {
			t.Errorf("%s, %q: %s, want %s", c.line, c.contentType, got, c.want)
		}
	}
	r := request(t, "POST a.example /shop.v1.Orders/Get")
	r.Headers = authz.HeaderMap{"content-type": {grpc, grpc}}
	if got := verdict(t, p, r); got != "no_rule" {
		t.Errorf("repeated content type: %s", got)
	}
}
