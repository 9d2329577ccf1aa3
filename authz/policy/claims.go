package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"privyseal/authz"
)

// passOn applies what the rule says of claims beside those of every assertion.
func (c *compiler) passOn(path string, r *Rule, within *scope) {
	if r.Claims != nil {
		c.bounded(path+".claims", len(r.Claims))
		for i, name := range r.Claims {
			at := fmt.Sprintf("%s.claims[%d]", path, i)
			c.wrong(at, authz.ValidClaimName(name))
			if slices.Contains(r.Claims[:i], name) {
				c.wrongf(at, "is listed twice: the assertion would have two members of one name")
			}
		}
		within.claims = slices.Clone(r.Claims)
	}
	if r.ClaimHeaders != nil {
		c.bounded(path+".claim_headers", len(r.ClaimHeaders))
		within.claimHeaders = nil
		for _, header := range slices.Sorted(maps.Keys(r.ClaimHeaders)) {
			c.claimHeader(path+".claim_headers."+header, header, r.ClaimHeaders[header])
			within.claimHeaders = append(within.claimHeaders, authz.ClaimHeader{Header: header, Claim: r.ClaimHeaders[header]})
		}
	}
}

// claimHeader holds that a header has one spelling in all rules: of two,
// applications may read one for the other.
func (c *compiler) claimHeader(path, header, claim string) {
	if err := authz.ValidHeaderName(header); err != nil {
		c.wrong(path, err)
		return
	}
	c.wrong(path, authz.ValidHeaderClaim(claim))
	dashed := strings.ReplaceAll(header, "_", "-")
	if other, known := c.headers[dashed]; known && other != header {
		c.wrongf(path, "is another spelling of %s: applications may read one for the other", other)
	} else if !known && len(c.headers) == maxHeaders {
		c.wrongf(path, "is one header too many: all rules together set at most %d, because every request loses each of them", maxHeaders)
	} else {
		c.headers[dashed] = header
	}
}

// bounded bounds what a rule passes on.
func (c *compiler) bounded(path string, n int) {
	if n > maxClaims {
		c.wrongf(path, "has %d entries, over %d", n, maxClaims)
	}
}
