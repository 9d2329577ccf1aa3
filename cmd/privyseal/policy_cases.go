package main

import (
	"errors"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"privyseal"
	"privyseal/authz/policy"
)

func policyTestCommand(environ []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "test FILE...",
		Short: "Test rules: who asks for what, and what becomes of it",
		Long: `Test rules: who asks for what, and what becomes of it. The files hold cases,
see docs/rules.md. The rules are those of the configuration that a file names,
or of --config, and are decided by what serve decides by; identities stand for
credentials, the clock stands still, nothing is signed, keys and issuers are not
needed.

The exit status is 0 if every request comes to what is expected, 1 if not. With
--cover, rules and clauses that decided about no request are failures, too.`,
		Example: `  privyseal policy test rules_test.yaml
  privyseal policy test --run refunds -o junit rules_test.yaml`,
		Args: func(c *cobra.Command, args []string) error { return arguments(1, len(args))(c, args) },
	}
	config := c.Flags().String("config", "", "the configuration `file`, in place of the one that cases name")
	run := c.Flags().String("run", "", "run the cases whose names match a regular `expression`")
	cover := c.Flags().Bool("cover", false, "fail if a rule or a clause decided about no request")
	output := format("text")
	c.Flags().VarP(testFormat{&output}, "output", "o", "`text`, json or junit")
	c.RunE = func(c *cobra.Command, files []string) error {
		only, err := regexp.Compile(*run)
		if err != nil {
			return failed(wrongUsage, "it is in the syntax of RE2", "--run is not a regular expression")
		}
		var reports []testReport
		failing := false
		for _, file := range files {
			report, err := testFile(c, environ, file, *config, only)
			if err != nil {
				return err
			}
			reports = append(reports, report)
			failing = failing || report.Failed > 0 || *cover && len(report.Uncovered) > 0
		}
		if err := writeTests(c, output, reports); err != nil {
			return err
		}
		if failing {
			return &failure{status: no}
		}
		return nil
	}
	return c
}

// testFormat is the value of --output of test.
type testFormat struct{ *format }

// Type implements [pflag.Value].
func (testFormat) Type() string { return "text|json|junit" }

// Set implements [pflag.Value].
func (f testFormat) Set(s string) error {
	if !slices.Contains([]string{"text", "json", "junit"}, s) {
		return errors.New("none of text, json and junit")
	}
	*f.format = format(s)
	return nil
}

// testFile runs the cases of one file.
func testFile(c *cobra.Command, environ []string, name, config string, only *regexp.Regexp) (testReport, error) {
	file, err := privyseal.LoadCases(privyseal.LoadOptions{Path: name})
	if err != nil {
		return testReport{}, mistaken(c, err)
	}
	if config == "" {
		config = file.Config
	}
	result, err := file.Run(c.Context(), func(now func() time.Time) (*policy.Rehearsal, error) {
		_, h, err := loadRules(c, environ, config, now)
		return h, err
	}, only.MatchString)
	if told := (*failure)(nil); errors.As(err, &told) {
		return testReport{}, err
	}
	if err != nil {
		return testReport{}, mistaken(c, file.Problems(err))
	}
	report := reportOfTests(name, result)
	if report.Requests == 0 {
		warn(c, "%s: no case is run", name)
	}
	return report, nil
}
