package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"privyseal/authz/policy"
)

func TestRoutesAreTheTableOfWhatIsDecided(t *testing.T) {
	env := within("corp", "edge")
	p := compile(t, env,
		public("health", policy.Match{Paths: []string{"/healthz"}}),
		policy.Rule{
			Name: "shop", Match: policy.Match{Hosts: []string{"shop.example", "*.shop.example"}, Paths: []string{"/v1/**"}, Networks: []string{"10.0.0.0/8"}},
			Audience: "shop", Authenticate: []string{"edge"}, Mode: "report", TTL: time.Minute,
			Rules: []policy.Rule{
				{Name: "eu", Match: policy.Match{Hosts: []string{"*.eu.shop.example"}, Paths: []string{"/*/a", "/*/b"}, Methods: []string{"GET"}}, Allow: anybody},
				{Name: "rest", Match: policy.Match{Extensions: map[string]string{"team": "blue"}}, Mode: "enforce", Allow: anybody},
			},
		},
		policy.Rule{Name: "calls", AudienceFrom: "context", Match: policy.Match{GRPC: []string{"s.S/*"}}, Allow: policy.Clauses{{From: []string{"corp"}}}},
	)
	var got []string
	for _, r := range policy.Routes(p) {
		got = append(got, fmt.Sprintf("%s %s hosts=%v paths=%v methods=%v grpc=%v networks=%v extensions=%v denies=%v public=%v report=%v by=%v aud=%q/%d ttl=%v",
			r.Path, r.Rule, r.Hosts, r.Paths, r.Methods, r.GRPC, r.Networks, r.Extensions, r.Denies, r.Public, r.Report, r.Authenticate, r.Audience, r.AudienceFrom, r.TTL))
	}
	want := []string{
		`rules[0] health hosts=[*] paths=[[/healthz]] methods=[] grpc=false networks=[] extensions=map[] denies=false public=true report=false by=[] aud=""/0 ttl=0s`,
		`rules[1].rules[0] eu hosts=[*.eu.shop.example] paths=[[/v1/**] [/*/a /*/b]] methods=[GET] grpc=false networks=[[10.0.0.0/8]] extensions=map[] denies=false public=false report=true by=[edge] aud="shop"/0 ttl=1m0s`,
		`rules[1].rules[1] rest hosts=[*.shop.example shop.example] paths=[[/v1/**]] methods=[] grpc=false networks=[[10.0.0.0/8]] extensions=map[team:blue] denies=false public=false report=false by=[edge] aud="shop"/0 ttl=1m0s`,
		`rules[1] shop hosts=[*.shop.example shop.example] paths=[[/v1/**]] methods=[] grpc=false networks=[[10.0.0.0/8]] extensions=map[] denies=true public=false report=false by=[] aud=""/0 ttl=0s`,
		`rules[2] calls hosts=[*] paths=[[/s.S/*]] methods=[POST] grpc=true networks=[] extensions=map[] denies=false public=false report=false by=[corp edge] aud=""/1 ttl=5m0s`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("routes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
