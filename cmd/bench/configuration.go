//go:build linux

package main

import (
	"fmt"
	"strings"
)

// configuration is that of a privyseal to be measured. Every decision is recorded
// and counted, as nothing can switch that off.
type configuration struct {
	rules int  // at least 10
	reuse bool // one assertion for several requests of one caller
}

// lastPath is the path that the last rule fits, and no other, on the host
// lastHost.
const lastPath = "/last/page"

func (c configuration) lastHost() string { return ruleHost(c.rules - 1) }

// ruleHost spreads the rules that only make up the number over hosts, ten each.
func ruleHost(i int) string { return fmt.Sprintf("h%d.example", i/10) }

// name is of a file and of a system in tables.
func (c configuration) name() string {
	name := fmt.Sprintf("privyseal, %d rules", c.rules)
	if c.reuse {
		name += ", reuse"
	}
	return name
}

// yaml writes the configuration. A request for host fits one of
// the first rules.
func (c configuration) yaml() string {
	var b strings.Builder
	b.WriteString(`version: 1
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0", admin: "127.0.0.1:0"}
signing_key_file: keys.pem
identity:
  - jwt: {name: corp, issuer: "` + issuer + `", audiences: [api], jwks_file: jwks.json}
  - peer_certificate: {name: mesh, trust_domains: [` + trustDomain + `], ca_file: ca.pem}
  - envoy_metadata: {name: edge, namespace: envoy.filters.http.jwt_authn, key: payload, issuer: "` + issuer + `", audiences: [api]}
`)
	if c.reuse {
		b.WriteString("assertion: {reuse: 60s}\n")
	}
	b.WriteString("rules:\n")
	rule := func(name, match, rest string) { fmt.Fprintf(&b, "- {name: %s, match: {%s}, %s}\n", name, match, rest) }
	rule("public", "hosts: ["+host+"], paths: [/public/**]", "public: true")
	rule("bearer", "hosts: ["+host+"], paths: [/v1/**], methods: [GET, POST]", "audience: orders, authenticate: [corp], allow: {groups: [staff]}")
	rule("mesh", "hosts: ["+host+"], paths: [/mesh/**]", "audience: orders, authenticate: [mesh], allow: {authenticated: true}")
	rule("edge", "hosts: ["+host+"], paths: [/edge/**]", "audience: orders, authenticate: [edge], allow: {groups: [staff]}")
	for i := 4; i < c.rules-1; i++ {
		rule(fmt.Sprintf("r%d", i), fmt.Sprintf("hosts: [%s], paths: [/a%d/**]", ruleHost(i), i), "public: true")
	}
	rule("last", fmt.Sprintf("hosts: [%s], paths: [%s]", c.lastHost(), lastPath), "public: true")
	return b.String()
}
