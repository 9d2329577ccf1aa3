package main

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"
)

func keysInspectCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "inspect [FILE|URL|-]",
		Short: "List keys: which one signs, and their kids",
		Long: `List the keys of a key file (PEM, or base64 of it), of a JWK Set, or of the JWK
Set that a running service publishes. Private keys are never shown. Without an
argument standard input is read.`,
		Example: `  privyseal keys inspect keys.pem
  privyseal keys inspect http://127.0.0.1:9080/.well-known/jwks.json`,
		Args: arguments(0, 1),
	}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		list, err := inspect(c, args)
		if err != nil {
			return err
		}
		if *output == "json" {
			return writeJSON(c.OutOrStdout(), list)
		}
		rows := [][]string{{"POSITION", "ROLE", "ALG", "KID"}}
		for _, key := range list {
			rows = append(rows, []string{fmt.Sprint(key.Position), key.Role, key.Algorithm, key.KeyID})
		}
		return table(c.OutOrStdout(), rows)
	}
	return c
}

func inspect(c *cobra.Command, args []string) ([]keyRow, error) {
	if len(args) == 1 && isURL(args[0]) {
		text, err := fetchJWKS(c, args[0])
		if err != nil {
			return nil, err
		}
		return rowsOfJWKS(text)
	}
	text, err := readInput(c, args)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return rowsOfJWKS(text)
	}
	set, err := parseKeys(text)
	if err != nil {
		return nil, err
	}
	return rowsOfSet(set), nil
}
