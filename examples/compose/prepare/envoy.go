package main

import (
	"fmt"
	"strings"

	"privyseal/examples/envoy"
)

// The cluster and the endpoint of examples/envoy/envoy.yaml where Envoy asks
// privyseal.
const (
	cluster  = "  - name: privyseal\n    type: STRICT_DNS\n"
	endpoint = "socket_address: {address: 127.0.0.1, port_value: 9001}"
)

// adapt returns the configuration with addresses replaced, and with a unix
// socket in place of the one where Envoy asks privyseal. A socket has no name to
// resolve, so its cluster is static.
func adapt(config, socket string, addresses map[string]string) (string, error) {
	for _, old := range []string{cluster, endpoint} {
		if n := strings.Count(config, old); n != 1 {
			return "", fmt.Errorf("%q is there %d times, not once", old, n)
		}
	}
	config = strings.Replace(config, cluster, strings.Replace(cluster, "STRICT_DNS", "STATIC", 1), 1)
	config = strings.Replace(config, endpoint, fmt.Sprintf("pipe: {path: %q}", socket), 1)
	return envoy.Readdress(config, addresses)
}
