package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"privyseal"
)

func versionCommand() *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "Say which version this is", Args: arguments(0, 0)}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *output == "json" {
			return writeJSON(c.OutOrStdout(), map[string]string{
				"version": privyseal.Version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
			})
		}
		_, err := fmt.Fprintf(c.OutOrStdout(), "privyseal %s %s %s/%s\n", privyseal.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return err
	}
	return c
}
