package main

import (
	"time"

	"github.com/spf13/cobra"

	"privyseal"
	"privyseal/authz/policy"
)

// loadRules loads a configuration and makes a rehearsal of its rules; "" is the
// configuration that serve would use.
func loadRules(c *cobra.Command, environ []string, named string, now func() time.Time) (*privyseal.Config, *policy.Rehearsal, error) {
	file := configFile(named)
	if file == "" {
		return nil, nil, failed(wrongUsage, "name a configuration: `"+c.CommandPath()+" --help` says where", "%s: there is no ./%s", c.CommandPath(), configName)
	}
	config, err := privyseal.Load(privyseal.LoadOptions{Path: file, Environ: environ})
	if err != nil {
		return nil, nil, mistaken(c, err)
	}
	h, err := config.Rehearse(now)
	if err != nil {
		return nil, nil, mistaken(c, err)
	}
	return config, h, nil
}

// first returns the first argument, or "".
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
