package policy_test

import (
	"net/netip"
	"testing"

	"privyseal/authz/policy"
)

func TestNetworks(t *testing.T) {
	p := compile(t, within(),
		public("office", policy.Match{Networks: []string{"10.1.0.0/16", "192.0.2.7", "::ffff:198.51.100.0/120", "2001:db8:1::/48", "fe80::/10"}}),
		public("inside", policy.Match{Networks: []string{"10.0.0.0/8"}}),
		policy.Rule{Name: "nest", Match: policy.Match{Networks: []string{"172.16.0.0/12"}}, Rules: []policy.Rule{
			public("part", policy.Match{Networks: []string{"172.20.0.0/16"}}),
		}},
		public("six", policy.Match{Networks: []string{"::/0"}}),
	)
	for client, want := range map[string]string{
		"10.1.2.3":           "office",
		"::ffff:10.1.2.3":    "office", // IPv4-mapped, as a dual-stack listener sees it
		"192.0.2.7":          "office",
		"192.0.2.8":          "no_rule",
		"198.51.100.9":       "office",
		"2001:db8:1::7":      "office",
		"fe80::1%eth0":       "office",
		"10.2.0.1":           "inside",
		"::ffff:10.2.0.1":    "inside",
		"172.20.9.9":         "part",
		"172.21.9.9":         "no_rule(nest)",
		"2001:db8:2::7":      "six",
		"::1":                "six",
		"::ffff:203.0.113.9": "no_rule", // an IPv4 client, of no IPv6 network
		"64:ff9b::10.1.2.3":  "six",     // translated (RFC 6052) is not mapped
		"":                   "no_rule", // unknown
	} {
		r := request(t, "GET a.example /")
		if client != "" {
			r.Client = netip.MustParseAddr(client)
		}
		if got := verdict(t, p, r); got != want {
			t.Errorf("%q: %s, want %s", client, got, want)
		}
	}
}
