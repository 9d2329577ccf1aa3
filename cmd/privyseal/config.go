package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"privyseal"
)

// configName is the configuration of commands to which none is named.
const configName = "privyseal.yaml"

// configFile is the configuration to use; "" is none.
func configFile(named string) string {
	if named != "" {
		return named
	}
	if _, err := os.Stat(configName); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return configName
}

// mistakesIn returns what is wrong with a configuration. An error that is not
// about an option is one mistake without a place.
func mistakesIn(err error) privyseal.Diagnostics {
	var list privyseal.Diagnostics
	if err != nil && !errors.As(err, &list) {
		list = privyseal.Diagnostics{{Message: err.Error()}}
	}
	return list
}

// mistaken tells every mistake in a configuration, each with its hint, and
// returns the failure.
func mistaken(c *cobra.Command, err error) error {
	for _, mistake := range mistakesIn(err) {
		hint := mistake.Hint
		mistake.Hint = ""
		fmt.Fprintf(c.ErrOrStderr(), "privyseal: error: %s\n", mistake)
		if hint != "" {
			fmt.Fprintf(c.ErrOrStderr(), "privyseal: hint: %s\n", hint)
		}
	}
	return &failure{status: no}
}
