package main

import (
	"github.com/spf13/cobra"
)

// overrideFlags adds the flags that stand for single options. The function it
// returns makes environment variables of those that are given: they come last
// and so win over the environment.
func overrideFlags(c *cobra.Command) func() ([]string, error) {
	flags := []struct{ flag, variable, usage string }{
		{"grpc", "PRIVYSEAL_LISTEN_GRPC", "`address` for Envoy's questions, in place of listen.grpc"},
		{"http", "PRIVYSEAL_LISTEN_HTTP", "`address` of the key set, in place of listen.http"},
		{"admin", "PRIVYSEAL_LISTEN_ADMIN", "`address` of health and metrics, in place of listen.admin"},
		{"log-level", "PRIVYSEAL_LOG_LEVEL", "least `level` to log: debug, info, warn or error, in place of log.level"},
	}
	values := make([]*string, len(flags))
	for i, f := range flags {
		values[i] = c.Flags().String(f.flag, "", f.usage)
	}
	return func() (environ []string, err error) {
		for i, f := range flags {
			switch {
			case *values[i] != "":
				environ = append(environ, f.variable+"="+*values[i])
			case c.Flags().Changed(f.flag):
				return nil, failed(wrongUsage, "leave it out, or set the option in the configuration file", "serve: --%s is empty", f.flag)
			}
		}
		return environ, nil
	}
}
