package policy_test

import (
	"net/netip"
)

var loopback10 = netip.MustParseAddr("10.1.2.3")
