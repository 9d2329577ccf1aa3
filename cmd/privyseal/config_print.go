package main

import (
	"github.com/spf13/cobra"

	"privyseal"
)

func configPrintCommand(environ []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "print [FILE]",
		Short: "Show the configuration in force: defaults, file and environment together",
		Long: `Show the configuration that serve would use, as YAML: the defaults, over them
the file, over that the environment. References stay references, secrets are
masked.`,
		Args: arguments(0, 1),
	}
	origins := c.Flags().Bool("origins", false, "say where each value comes from")
	c.RunE = func(c *cobra.Command, args []string) error {
		named := ""
		if len(args) == 1 {
			named = args[0]
		}
		config, err := privyseal.Load(privyseal.LoadOptions{Path: configFile(named), Environ: environ})
		if err != nil {
			return mistaken(c, err)
		}
		return config.Print(c.OutOrStdout(), *origins)
	}
	return c
}
