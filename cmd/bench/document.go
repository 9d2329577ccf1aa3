//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The tables of the documentation lie between these lines.
const (
	tablesBegin = "<!-- bench: begin; `make bench` writes what follows -->"
	tablesEnd   = "<!-- bench: end -->"
)

// writeDocument puts the tables into a page, in place of the last ones, and the
// picture beside it, as .svg.
func (r *report) writeDocument(name string) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(content), tablesBegin)
	_, after, ends := strings.Cut(rest, tablesEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for tables: it needs the lines %s and %s", name, tablesBegin, tablesEnd)
	}
	picture := strings.TrimSuffix(name, filepath.Ext(name)) + ".svg"
	if err := os.WriteFile(picture, []byte(r.picture()), 0o644); err != nil {
		return err
	}
	page := before + tablesBegin + "\n\n" + r.markdown(filepath.Base(picture)) + "\n" + tablesEnd + after
	return os.WriteFile(name, []byte(page), 0o644)
}

func (r *report) markdown(picture string) string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	rule := func(n int) { b.WriteString(strings.Repeat("|---", n) + "|\n") }
	fmt.Fprintf(&b, "Measured: %s.\n\n![CPU time of each Check, as a multiple of the floor's](%s)\n\n### Targets\n\n", r.circumstances(), picture)
	header := []string{"scenario", "what", "target", "measured (spread)", ""}
	line(header)
	rule(len(header))
	for _, result := range r.Results {
		for _, v := range result.Verdicts {
			line(append([]string{result.Name}, v.row()...))
		}
		if result.NotOffered != "" {
			line([]string{result.Name, "", "", result.NotOffered, "not measured"})
		}
	}
	for _, result := range r.Results {
		if result.NotOffered != "" {
			continue
		}
		fmt.Fprintf(&b, "\n### %s: %s\n\n", result.Name, result.Title)
		line(columns)
		rule(len(columns))
		for i := range result.Contenders {
			line(result.row(i))
		}
	}
	return b.String()
}
