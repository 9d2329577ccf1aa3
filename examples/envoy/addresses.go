package envoy

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
)

// Readdress returns a configuration in which addresses, host:port, are replaced
// by others. Only addresses written as "address: host, port_value: port" are
// found, and one that is not there is an error.
func Readdress(config string, replace map[string]string) (string, error) {
	var pairs []string
	for _, old := range slices.Sorted(maps.Keys(replace)) {
		from, err := written(old)
		if err != nil {
			return "", err
		}
		to, err := written(replace[old])
		if err != nil {
			return "", err
		}
		if !strings.Contains(config, from) {
			return "", fmt.Errorf("the Envoy configuration has no address %s", old)
		}
		pairs = append(pairs, from, to)
	}
	return strings.NewReplacer(pairs...).Replace(config), nil
}

func written(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("address: %s, port_value: %s}", host, port), nil
}
