package main

import (
	"github.com/spf13/cobra"

	"privyseal"
)

func configSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Write the JSON Schema of the configuration, for editors",
		Args:  arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(privyseal.Schema())
			return err
		},
	}
}
