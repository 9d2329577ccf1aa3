//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// write writes a report in the form that was asked for.
func (o *options) write(r *report, w io.Writer) error {
	switch o.output {
	case "json":
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	case "markdown":
		return r.writeDocument(o.document)
	}
	return r.text(w)
}

var columns = []string{"", "µs CPU/Check", "ratio", "spread", "req/s", "p50 µs", "p99 µs", "p99.9 µs", "RSS MiB"}

// row is a contender in a table. Ratios are to the first contender.
func (r *result) row(i int) []string {
	c := &r.Contenders[i]
	ratio, relative, between := c.ratio(&r.Contenders[0], cpu), "–", "–"
	if ratio.Median > 0 {
		relative, between = fmt.Sprintf("%.2f", ratio.Median), fmt.Sprintf("%.2f–%.2f", ratio.Least, ratio.Most)
	}
	median := func(m metric, format string) string {
		if v := c.spread(m).Median; v > 0 {
			return fmt.Sprintf(format, v)
		}
		return "–"
	}
	return []string{
		c.Name, median(cpu, "%.1f"), relative, between,
		median(rate, "%.0f"), median(p50, "%.0f"), median(p99, "%.0f"), median(p999, "%.0f"), median(rss, "%.0f"),
	}
}

// row is a target in a table: what, at most or at least, measured, met.
func (v *verdictOnTarget) row() []string {
	what, sign := string(v.Metric), "≤"
	if v.Against != "" {
		what += " ÷ " + v.Against
	}
	if v.AtLeast {
		sign = "≥"
	}
	return []string{what, fmt.Sprintf("%s %.4g", sign, v.Limit), fmt.Sprintf("%.2f (%.2f–%.2f)", v.Figure.Median, v.Figure.Least, v.Figure.Most), v.word()}
}

// word says whether a target is met: by the median, and by every round or not.
func (v *verdictOnTarget) word() string {
	word := "missed"
	if v.Met {
		word = "met"
	}
	if v.Figure.Least <= v.Limit && v.Limit < v.Figure.Most {
		word += ", but not in every round"
	}
	return word
}

// text writes tables for a terminal.
func (r *report) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(cells []string) { fmt.Fprintln(t, strings.Join(cells, "\t")) }
	fmt.Fprintf(t, "%s\n", r.circumstances())
	for _, result := range r.Results {
		fmt.Fprintf(t, "\n%s (%s)\n", result.Title, result.Name)
		if result.NotOffered != "" {
			fmt.Fprintf(t, "%s\n", result.NotOffered)
			continue
		}
		line(columns)
		for i := range result.Contenders {
			line(result.row(i))
		}
		for _, v := range result.Verdicts {
			fmt.Fprintf(t, "target: %s\n", strings.Join(v.row(), ", "))
		}
	}
	return t.Flush()
}

// circumstances says what was measured and where.
func (r *report) circumstances() string {
	return fmt.Sprintf("%s, %s, %s, %d CPUs; %s; %d rounds of %v, %d streams; CheckRequest of %d bytes",
		r.Version, r.Go, r.CPU, r.CPUs, r.Time.Format("2006-01-02 15:04 MST"), r.Rounds, r.Duration, r.Streams, r.Message)
}
