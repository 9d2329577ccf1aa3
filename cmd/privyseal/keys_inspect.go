package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"privyseal/keys"
)

func keysInspectCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "inspect [FILE|URL|-]",
		Short: "List keys: which one signs, and their kids",
		Long: `List the keys of a key file (PEM, or base64 of it), of a JWK Set, of the JWK Set
that a running service publishes, or of the document of a keyring, as its store
holds it. Private keys are never shown. Without an argument standard input is
read.

A document is not verified: anybody can write one. With -o json it is an object
of verified, which is false, and the members that keys rotate --help lists.`,
		Example: `  privyseal keys inspect keys.pem
  privyseal keys inspect http://127.0.0.1:9080/.well-known/jwks.json`,
		Args: arguments(0, 1),
	}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		text, err := readKeysOrURL(c, args)
		if err != nil {
			return err
		}
		if isDocument(text) {
			return inspectDocument(c, text, *output)
		}
		list, err := rowsOf(text)
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

func readKeysOrURL(c *cobra.Command, args []string) ([]byte, error) {
	if len(args) == 1 && isURL(args[0]) {
		return fetchJWKS(c, args[0])
	}
	return readInput(c, args)
}

func rowsOf(text []byte) ([]keyRow, error) {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return rowsOfJWKS(text)
	}
	set, err := parseKeys(text)
	if err != nil {
		return nil, err
	}
	return rowsOfSet(set), nil
}

// keyRow is one key as inspect shows it.
type keyRow struct {
	Position  int    `json:"position"`
	Role      string `json:"role"`
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
}

// The roles of keys: the first private one signs, all are published.
const (
	signs     = "signs"
	published = "published"
)

// rowsOfSet lists the keys of a signing key file.
func rowsOfSet(set *keys.Set) []keyRow {
	var rows []keyRow
	for i, key := range set.Keys() {
		role := published
		if i == 0 {
			role = signs
		}
		rows = append(rows, keyRow{i + 1, role, key.Algorithm(), key.KeyID()})
	}
	return rows
}

// rowsOfJWKS lists the keys of a JWK Set (RFC 7517 section 5) as it says them.
func rowsOfJWKS(text []byte) ([]keyRow, error) {
	var set struct {
		Keys []struct {
			Kid, Alg string
			D        any // only private keys have it
		}
	}
	if json.Unmarshal(text, &set) != nil || set.Keys == nil {
		return nil, failed(no, "name a key set, or a file of PEM keys", "not a JWK Set: JSON without a list of keys")
	}
	rows := []keyRow{}
	for i, key := range set.Keys {
		if key.D != nil {
			return nil, failed(no, "publish the output of `privyseal keys jwks` instead, and replace the key", "key %d of the set is a private key", i+1)
		}
		rows = append(rows, keyRow{i + 1, published, key.Alg, key.Kid})
	}
	return rows, nil
}
