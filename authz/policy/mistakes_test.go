package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"privyseal/authz/policy"
)

func manyHeaders(from, to int) map[string]string {
	headers := map[string]string{}
	for i := from; i < to; i++ {
		headers[fmt.Sprintf("x-%02d", i)] = "a"
	}
	return headers
}

func TestMistakesInMatchersAndWhatIsPassedOn(t *testing.T) {
	type rules = []policy.Rule
	grpc := func(m ...string) policy.Match { return policy.Match{GRPC: m} }
	networks := func(n ...string) policy.Match { return policy.Match{Networks: n} }
	signing := func(r policy.Rule) rules {
		r.Name, r.Audience, r.Allow = "a", "app", anybody
		return rules{r}
	}
	headers := func(h map[string]string) rules { return signing(policy.Rule{ClaimHeaders: h}) }
	within1 := func(m, inner policy.Match) rules {
		return rules{{Name: "n", Match: m, Rules: rules{public("a", inner)}}}
	}
	for _, c := range []struct {
		rules      rules
		path, says string
	}{
		{rules{public("a", policy.Match{GRPC: []string{}})}, "[0].match.grpc", "is empty"},
		{rules{public("a", grpc("/s.S/M"))}, "[0].match.grpc[0]", "begins with '/'"},
		{rules{public("a", grpc("s.S/M", "s.S"))}, "[0].match.grpc[1]", "names no method"},
		{rules{public("a", grpc("s.S/"))}, "[0].match.grpc[0]", "no method name"},
		{rules{public("a", grpc("s.S/M*"))}, "[0].match.grpc[0]", "no method name"},
		{rules{public("a", grpc("s.S/M/x"))}, "[0].match.grpc[0]", "no method name"},
		{rules{public("a", grpc("s..S/M"))}, "[0].match.grpc[0]", "no service name"},
		{rules{public("a", grpc("*/M"))}, "[0].match.grpc[0]", "no service name"},
		{rules{public("a", grpc("1s.S/M"))}, "[0].match.grpc[0]", "no service name"},
		{rules{public("a", policy.Match{GRPC: []string{"s.S/M"}, Paths: []string{"/x"}})}, "[0].match.grpc", "beside paths or methods"},
		{rules{public("a", policy.Match{GRPC: []string{"s.S/M"}, Methods: []string{"POST"}})}, "[0].match.grpc", "beside paths or methods"},
		{within1(policy.Match{Methods: []string{"GET"}}, grpc("s.S/M")), "[0].rules[0].match.grpc", "no request could fit"},
		{within1(grpc("s.S/*"), policy.Match{Methods: []string{"GET"}}), "[0].rules[0].match.methods[0]", "no request could fit"},

		{rules{public("a", policy.Match{Networks: []string{}})}, "[0].match.networks", "is empty"},
		{rules{public("a", networks("10.0.0.0/8", "10.0.0"))}, "[0].match.networks[1]", "neither a range"},
		{rules{public("a", networks("10.0.0.1/8"))}, "[0].match.networks[0]", "write 10.0.0.0/8"},
		{rules{public("a", networks("10.0.0.0/33"))}, "[0].match.networks[0]", "neither a range"},
		{rules{public("a", networks("fe80::1%eth0"))}, "[0].match.networks[0]", "neither a range"},
		{rules{public("a", networks("example.com"))}, "[0].match.networks[0]", "neither a range"},
		{rules{public("a", networks("::ffff:0:0/95"))}, "[0].match.networks[0]", "beyond its length"},

		{within1(policy.Match{Extensions: map[string]string{"team": "blue"}}, policy.Match{Extensions: map[string]string{"team": "red"}}), "[0].rules[0].match.context_extensions.team", "no request could fit"},
		{within1(policy.Match{Hosts: []string{"*.a.example"}}, policy.Match{Hosts: []string{"*.b.example"}}), "[0].rules[0].match.hosts", "no request could fit"},
		{rules{public("a", policy.Match{Hosts: []string{"*.10.0.0.1"}})}, "[0].match.hosts[0]", "no names below"},

		{signing(policy.Rule{Mode: "reprot"}), "[0].mode", "did you mean report?"},
		{rules{{Name: "a", Public: true, Mode: "report"}}, "[0].mode", "public"},
		{rules{{Name: "a", Public: true, Claims: map[string]string{"x": "1"}}}, "[0].claims", "public"},
		{rules{{Name: "a", Public: true, ClaimHeaders: map[string]string{"x-a": "a"}}}, "[0].claim_headers", "public"},
		{headers(map[string]string{"cookie": "a"}), "[0].claim_headers.cookie", "never set"},
		{headers(map[string]string{"x-a": "aud"}), "[0].claim_headers.x-a", "only privyseal makes"},
		{headers(manyHeaders(0, 33)), "[0].claim_headers.x-32", "at most 32"},
		{append(headers(manyHeaders(0, 32)), policy.Rule{Name: "b", Audience: "b", ClaimHeaders: manyHeaders(31, 33), Allow: anybody}), "[1].claim_headers.x-32", "at most 32"},
		{headers(map[string]string{"x-a": "a", "x_a": "b"}), "[0].claim_headers.x_a", "another spelling of x-a"},
	} {
		_, err := policy.Compile(c.rules, within("corp"))
		if got := mistakes(t, err); len(got) != 1 || got[0].Path != c.path || !strings.Contains(got[0].Err.Error(), c.says) {
			t.Errorf("want %s: ...%s..., got\n%v", c.path, c.says, err)
		}
	}
}
