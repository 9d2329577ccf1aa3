package policy

import (
	"maps"
	"slices"
	"strings"

	"privyseal/authz"
)

// claimHeaders compiles the claim headers of a rule, in the order of their names.
func (c *compiler) claimHeaders(path string, options map[string]string) []authz.ClaimHeader {
	var list []authz.ClaimHeader
	for _, header := range slices.Sorted(maps.Keys(options)) {
		c.claimHeader(path+"."+header, header, options[header])
		list = append(list, authz.ClaimHeader{Header: header, Claim: options[header]})
	}
	return list
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
