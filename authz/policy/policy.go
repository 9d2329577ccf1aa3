package policy

import (
	"slices"
	"time"

	"privyseal/authz"
)

// Policy is compiled rules. It implements [authz.Policy], is immutable and safe
// for concurrent use.
type Policy struct {
	nodes   []*node // of the first level
	index   index
	reading hostSet // the hosts for which some rule reads the path
	rules   []*authz.Rule
	hosts   []string
	headers []string
	sources []string // configured, in their order
	maxTTL  time.Duration
}

var (
	_ authz.Policy      = (*Policy)(nil)
	_ authz.HeaderOwner = (*Policy)(nil)
)

// Match returns the first rule in file order that fits the request, or a
// denial: [authz.NoRule], whose Rule names the innermost rule that owned the
// request but held none that fits; or [authz.AmbiguousPath].
func (p *Policy) Match(r *authz.Request) (*authz.Rule, *authz.Denial) {
	// Also a rule that an earlier one would keep from being asked makes the host
	// one that reads paths: which rule is the first must not depend on an
	// ambiguous path.
	if r.Ambiguous && p.reading.fits(r.Host) {
		return nil, &authz.Denial{Reason: authz.AmbiguousPath, Detail: "programs could read the path in different ways"}
	}
	n := p.index.first(r)
	if n == nil {
		return nil, &authz.Denial{Reason: authz.NoRule}
	}
	return n.owner(r)
}

// Rules returns the rules that own requests, in file order. Rules that hold
// others are not among them.
func (p *Policy) Rules() []*authz.Rule { return slices.Clone(p.rules) }

// ruleNames returns the names of all rules, of those that hold others too.
func (p *Policy) ruleNames() (names []string) {
	for _, route := range Routes(p) {
		names = append(names, route.Rule)
	}
	return names
}

// Hosts returns, sorted, the hosts of the rules that sign and whose hosts are
// all literal: those of which a host-dependent issuer can speak.
func (p *Policy) Hosts() []string { return slices.Clone(p.hosts) }

// ClaimHeaders implements [authz.HeaderOwner]. The nil policy of rules that did
// not compile has none, so that the mistakes around it can be told as well.
func (p *Policy) ClaimHeaders() []string {
	if p == nil {
		return nil
	}
	return slices.Clone(p.headers)
}

// MaxTTL is the longest life of an assertion under these rules; without a rule
// that signs, the default life.
func (p *Policy) MaxTTL() time.Duration { return p.maxTTL }
