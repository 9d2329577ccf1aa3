package policy

import (
	"slices"
	"time"

	"privyseal/authz"
)

// Policy is compiled rules. It implements [authz.Policy], is immutable and safe
// for concurrent use.
type Policy struct {
	index  index
	rules  []*authz.Rule
	hosts  []string
	maxTTL time.Duration
}

var _ authz.Policy = (*Policy)(nil)

// Match returns the first rule in file order that fits the request, or a
// denial: [authz.NoRule], whose Rule names the innermost rule that owned the
// request but held none that fits; or [authz.AmbiguousPath].
func (p *Policy) Match(r *authz.Request) (*authz.Rule, *authz.Denial) {
	if r.Ambiguous && p.readsPath(r.Host) {
		return nil, &authz.Denial{Reason: authz.AmbiguousPath, Detail: "programs could read the path in different ways"}
	}
	for n := range p.index.candidates(r.Host) {
		if n.fits(r) {
			return n.owner(r)
		}
	}
	return nil, &authz.Denial{Reason: authz.NoRule}
}

// readsPath reports whether any rule for a host reads the path, also one that
// an earlier rule would keep from being asked: which rule is the first must not
// depend on an ambiguous path.
func (p *Policy) readsPath(host string) bool {
	for n := range p.index.candidates(host) {
		if n.readsPath(host) {
			return true
		}
	}
	return false
}

// Rules returns the rules that own requests, in file order. Rules that hold
// others are not among them.
func (p *Policy) Rules() []*authz.Rule { return slices.Clone(p.rules) }

// Hosts returns, sorted, the hosts of the rules that sign and whose hosts are
// all literal: those of which a host-dependent issuer can speak.
func (p *Policy) Hosts() []string { return slices.Clone(p.hosts) }

// MaxTTL is the longest life of an assertion under these rules; without a rule
// that signs, the default life.
func (p *Policy) MaxTTL() time.Duration { return p.maxTTL }
