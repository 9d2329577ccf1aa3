package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// networks is a compiled list of address ranges. Nil fits every client.
type networks struct {
	set     map[netip.Prefix]bool
	lengths [2][]int // of the prefixes for IPv4 and IPv6, each once
}

// fit reports whether a client's address is in one of the ranges; an unknown
// address is in none. It costs a look-up for each length of prefix in use.
func (n *networks) fit(client netip.Addr) bool {
	if n == nil {
		return true
	}
	client = client.Unmap()
	if !client.IsValid() {
		return false
	}
	for _, bits := range n.lengths[family(client)] {
		if prefix, err := client.Prefix(bits); err == nil && n.set[prefix] {
			return true
		}
	}
	return false
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

func (n *networks) add(prefix netip.Prefix) {
	n.set[prefix] = true
	lengths := &n.lengths[family(prefix.Addr())]
	if !slices.Contains(*lengths, prefix.Bits()) {
		*lengths = append(*lengths, prefix.Bits())
	}
}

// covers reports whether every client that fits other fits n.
func (n *networks) covers(other *networks) bool {
	if n == nil || other == nil {
		return n == nil
	}
	for prefix := range other.set {
		if !n.holds(prefix) {
			return false
		}
	}
	return true
}

func (n *networks) holds(prefix netip.Prefix) bool {
	for _, bits := range n.lengths[family(prefix.Addr())] {
		if wider, err := prefix.Addr().Prefix(bits); err == nil && bits <= prefix.Bits() && n.set[wider] {
			return true
		}
	}
	return false
}

// list returns the ranges, sorted.
func (n *networks) list() []netip.Prefix {
	if n == nil {
		return nil
	}
	list := make([]netip.Prefix, 0, len(n.set))
	for prefix := range n.set {
		list = append(list, prefix)
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return list
}

// parseNetwork accepts a range in CIDR notation or a single address. An IPv4
// range in IPv6 notation (RFC 4291 section 2.5.5.2) is the IPv4 range.
func parseNetwork(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, errors.New("is neither a range of addresses, such as 10.0.0.0/8 or 2001:db8::/32, nor an address")
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if masked := prefix.Masked(); masked != prefix {
		return netip.Prefix{}, fmt.Errorf("has address bits beyond its length: write %v, or the address alone", masked)
	}
	if addr := prefix.Addr(); addr.Is4In6() {
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	return prefix, nil
}

func (c *compiler) matchNetworks(path string, list []string, n *node) {
	if list == nil {
		return
	}
	c.length(path, len(list))
	n.networks = &networks{set: make(map[netip.Prefix]bool, len(list))}
	for i, text := range list {
		prefix, err := parseNetwork(text)
		if err != nil {
			c.wrong(fmt.Sprintf("%s[%d]", path, i), err)
			continue
		}
		n.networks.add(prefix)
	}
}
