package main

import (
	"bytes"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"privyseal/keys"
)

func keysGenerateCommand() *cobra.Command {
	algorithms := []string{"ES256", "ES384", "ES512", "EdDSA", "RS256"}
	c := &cobra.Command{
		Use:   "generate",
		Short: "Make a signing key",
		Long: `Make a signing key and write it as PEM to standard output, or to a new file that
only its owner can read. Its kid and its public key are told on standard error.`,
		Args: arguments(0, 0),
	}
	alg := c.Flags().String("alg", "ES256", strings.Join(algorithms, ", "))
	file := c.Flags().String("out", "", "write to this new `file`")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if !slices.Contains(algorithms, *alg) {
			return failed(wrongUsage, "one of "+strings.Join(algorithms, ", ")+"; ES256 is what every verifier knows", "--alg is no algorithm that assertions are signed with")
		}
		key, err := keys.Generate(*alg, nil)
		if err != nil {
			return err
		}
		if err := writeKey(c, key, *file); err != nil {
			return err
		}
		public, err := key.MarshalPublicPEM()
		if err != nil {
			return err
		}
		say(c, "alg  %s\nkid  %s\n%s", key.Algorithm(), key.KeyID(), bytes.TrimSpace(public))
		return nil
	}
	return c
}

// writeKey writes a private key to a new file of its owner, or to standard
// output if no file is named.
func writeKey(c *cobra.Command, key *keys.Key, file string) error {
	private, err := key.MarshalPEM()
	if err != nil {
		return err
	}
	if file != "" {
		return writeNew(file, private, 0o600)
	}
	_, err = c.OutOrStdout().Write(private)
	return err
}
