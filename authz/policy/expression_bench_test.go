package policy_test

import (
	"fmt"
	"testing"

	"privyseal/authz"
	"privyseal/authz/policy"
)

func BenchmarkExpression(b *testing.B) {
	id := authz.Identity{
		Source: "corp", Subject: "alice", Email: "alice@example.com", EmailVerified: true,
		Groups: []string{"a", "b", "c", "d", "e", "f", "staff"}, Claims: map[string]any{"tenant": "acme"},
	}
	for name, when := range map[string]string{
		"none":    "",
		"true":    "true",
		"usual":   `identity.email_verified && !request.path.startsWith("/v1/internal") && "staff" in identity.groups`,
		"claim":   `identity.claims.tenant == "acme"`,
		"header":  `request.headers["x-tenant"] == "acme"`,
		"loop":    `identity.groups.exists(g, g.startsWith("sta"))`,
		"costly":  `identity.groups.exists(g, request.path.contains(g) || g == "staff")`,
		"network": `cidr("10.0.0.0/8").containsIP(request.client)`,
		"pattern": `request.path.matches("^/v1/[a-z]+$")`,
	} {
		b.Run(name, func(b *testing.B) {
			p := compile(b, within("corp"), policy.Rule{Name: "rule", Audience: "app", Allow: policy.Clauses{{Authenticated: true, When: when}}})
			judge, r, id := p.Rules()[0].Judge, request(b, "GET a.example /v1/orders"), authz.NewIdentity(id)
			r.Headers = authz.HeaderMap{"x-tenant": {"acme"}}
			r.Client = loopback10
			b.ReportAllocs()
			for b.Loop() {
				if _, err := judge.Judge(b.Context(), r, id); err != nil {
					b.Fatal(fmt.Sprint(err))
				}
			}
		})
	}
}
