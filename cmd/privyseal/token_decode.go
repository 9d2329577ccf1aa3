package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

func tokenDecodeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "decode [TOKEN|-]",
		Short: "Show what a token says, without verifying it",
		Long: `Show the header and the claims of a JWT. Nothing is verified: anybody can write
such a token. Without an argument the token is read from standard input.`,
		Args: arguments(0, 1),
	}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		token, err := readToken(c, args)
		if err != nil {
			return err
		}
		header, claims, err := splitToken(token)
		if err != nil {
			return failed(no, "a JWT is HEADER.CLAIMS.SIGNATURE, without quotes or spaces", "%v", err)
		}
		warn(c, "not verified: anybody can write such a token; see `privyseal token verify --help`")
		if *output == "json" {
			return writeJSON(c.OutOrStdout(), map[string]any{"verified": false, "header": header, "claims": claims})
		}
		rows := memberRows(nil, "header", header, time.Now())
		return table(c.OutOrStdout(), memberRows(rows, "claim", claims, time.Now()))
	}
	return c
}

// memberRows lists the members of an object by name.
func memberRows(rows [][]string, kind string, object map[string]any, now time.Time) [][]string {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		value, ok := object[name].(string)
		if !ok {
			text, err := json.Marshal(object[name])
			if err != nil {
				continue // it was JSON a moment ago
			}
			value = string(text)
		}
		if t, ok := claimTime(name, object[name]); ok {
			value = fmt.Sprintf("%s (%s, %s)", value, t.UTC().Format(time.RFC3339), relative(t, now))
		}
		rows = append(rows, []string{kind, name, value})
	}
	return rows
}

// claimTime reads a NumericDate (RFC 7519 section 2) of a claim that is one.
func claimTime(name string, value any) (time.Time, bool) {
	if !slices.Contains([]string{"iat", "nbf", "exp", "auth_time", "updated_at"}, name) {
		return time.Time{}, false
	}
	number, _ := value.(json.Number)
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

func relative(t, now time.Time) string {
	d := t.Sub(now).Round(time.Second)
	if d < 0 {
		return (-d).String() + " ago"
	}
	return "in " + d.String()
}
