package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"privyseal"
	"privyseal/authz"
	"privyseal/authz/policy"
)

func policyLintCommand(environ []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "lint [FILE]",
		Short: "Name rules that no request reaches, and rules that admit more than is commonly meant",
		Long: `Name rules that no request reaches, and rules that admit more than is commonly
meant. That a rule is shadowed or unreachable is proven; what several rules only
together make unreachable may go unnoticed. Keys and issuers are not needed.

The exit status is 0 if there is nothing to say, 1 otherwise. --except leaves out
a check whose findings are meant: shadowed-rule, shadowed-host, shadowed-path,
wildcard-host, unreachable, allow-all, public-all, empty-list, report-only,
grpc-other-ways.`,
		Args: arguments(0, 1),
	}
	except := c.Flags().StringSlice("except", nil, "`checks` to leave out")
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		config, h, err := loadRules(c, environ, first(args), nil)
		if err != nil {
			return err
		}
		found := slices.DeleteFunc(policy.Lint(h.Policy()), func(f policy.Finding) bool { return slices.Contains(*except, f.Check) })
		if err := writeFindings(c, *output, config, found); err != nil {
			return err
		}
		if len(found) > 0 {
			return &failure{status: no}
		}
		return nil
	}
	return c
}

// finding is what lint found, in JSON.
type finding struct {
	Check  string `json:"check"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Option string `json:"option"`
	Text   string `json:"text"`
}

func writeFindings(c *cobra.Command, output format, config *privyseal.Config, found []policy.Finding) error {
	list := []finding{}
	for _, f := range found {
		at := config.Problems(&authz.OptionError{Path: f.Path, Err: fmt.Errorf("%s", f.Text)})[0]
		list = append(list, finding{f.Check, at.File, at.Line, at.Column, f.Path, at.Message})
		if output != "json" {
			at.Message += " (" + f.Check + ")"
			fmt.Fprintln(c.OutOrStdout(), at)
		}
	}
	if output == "json" {
		return writeJSON(c.OutOrStdout(), list)
	}
	if len(list) == 0 {
		say(c, "nothing to say about %d rules", len(config.Rules))
	}
	return nil
}
