package main

import (
	"bytes"
	"encoding/base64"
	"fmt"

	"github.com/spf13/cobra"
)

func keysEncodeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "encode [FILE|-]",
		Short: "Write a key file as one line of base64, for SIGNING_KEY",
		Long: `Write a key file as one line of base64, as the environment variable SIGNING_KEY
takes it. It is as secret as the file. Without a file standard input is read.`,
		Example: `  export SIGNING_KEY=$(privyseal keys encode keys.pem)`,
		Args:    arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := readInput(c, args)
			if err != nil {
				return err
			}
			if _, err := parseKeys(text); err != nil {
				return err
			}
			line := base64.StdEncoding.EncodeToString(text)
			if !bytes.Contains(text, []byte("-----BEGIN ")) {
				line = string(bytes.Join(bytes.Fields(text), nil)) // base64 already
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), line)
			return err
		},
	}
}
