package main

import (
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"privyseal/keys"
)

// isDocument tells a keyring's document from a JWK Set.
func isDocument(text []byte) bool {
	var members map[string]json.RawMessage
	return json.Unmarshal(text, &members) == nil && members["document"] != nil
}

// inspectDocument lists the keys of a keyring's document as it says them.
func inspectDocument(c *cobra.Command, text []byte, output format) error {
	d, err := keys.ParseDocument(text)
	if err != nil {
		return failed(no, "give what a store holds, whole", "%s", oneLine(err.Error()))
	}
	warn(c, "not verified: anybody can write such a document; `privyseal keys status --config FILE` reads and verifies it")
	if output == "json" {
		return writeJSON(c.OutOrStdout(), struct {
			Verified bool `json:"verified"`
			keys.Document
		}{false, d})
	}
	rows := [][]string{{"STATE", "ALG", "KID", "PUBLISHED", "SIGNS", "LEAVES"}}
	for _, k := range d.Keys {
		rows = append(rows, []string{string(k.State), k.Algorithm, k.KeyID, timeOrDash(k.PublishedAt), timeOrDash(k.ActivateAt), timeOrDash(k.RemoveAt)})
	}
	return table(c.OutOrStdout(), rows)
}

func timeOrDash(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
