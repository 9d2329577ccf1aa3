package main

import (
	"github.com/spf13/cobra"
)

func keysJWKSCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "jwks [FILE|-]",
		Short: "Write the JWK Set of a key file: the public half, as the service publishes it",
		Args:  arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := readInput(c, args)
			if err != nil {
				return err
			}
			set, err := parseKeys(text)
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(append(set.MarshalJWKS(), '\n'))
			return err
		},
	}
}
