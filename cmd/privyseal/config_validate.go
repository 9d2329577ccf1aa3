package main

import (
	"github.com/spf13/cobra"

	"privyseal"
)

func configValidateCommand(environ []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "validate [FILE...]",
		Short: "Report every mistake in a configuration",
		Long: `Report every mistake in a configuration, each with its line. Everything that
serve reads at its start is read: keys, certificates, key sets in files. The
environment counts as it does for serve.

The exit status is 0 if serve would start, 1 if not.`,
		Args: cobra.ArbitraryArgs,
	}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, files []string) error {
		if len(files) == 0 {
			files = []string{configName}
		}
		reports := []report{}
		for _, file := range files {
			err := privyseal.Validate(privyseal.LoadOptions{Path: file, Environ: environ})
			reports = append(reports, reportOf(file, err))
			switch {
			case *output == "json":
			case err != nil:
				mistaken(c, err)
			default:
				say(c, "%s is valid", file)
			}
		}
		if *output == "json" {
			if err := writeJSON(c.OutOrStdout(), reports); err != nil {
				return err
			}
		}
		for _, r := range reports {
			if !r.Valid {
				return &failure{status: no}
			}
		}
		return nil
	}
	return c
}

// report is what is said about one file in JSON.
type report struct {
	File     string    `json:"file"`
	Valid    bool      `json:"valid"`
	Mistakes []mistake `json:"mistakes"`
}

type mistake struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Option  string `json:"option,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func reportOf(file string, err error) report {
	r := report{File: file, Valid: err == nil, Mistakes: []mistake{}}
	for _, d := range mistakesIn(err) {
		r.Mistakes = append(r.Mistakes, mistake{d.File, d.Line, d.Column, d.Path, d.Message, d.Hint})
	}
	return r
}
