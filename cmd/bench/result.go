//go:build linux

package main

import (
	"slices"
	"time"
)

// report is everything one run measured, and what the tables are made of.
type report struct {
	Time     time.Time     `json:"time"`
	Version  string        `json:"version"` // of the binary
	Go       string        `json:"go"`
	CPU      string        `json:"cpu"`
	CPUs     int           `json:"cpus"`
	Rounds   int           `json:"rounds"`
	Duration time.Duration `json:"duration_ns"`
	Streams  int           `json:"streams"`
	Message  int           `json:"message_bytes"` // of a CheckRequest with a bearer token
	Results  []*result     `json:"results"`
}

// result is what came of one scenario.
type result struct {
	Name       string            `json:"name"`
	Title      string            `json:"title"`
	NotOffered string            `json:"not_offered,omitempty"` // why nothing was measured
	Contenders []contenderResult `json:"contenders,omitempty"`  // the last is the subject
	Verdicts   []verdictOnTarget `json:"targets,omitempty"`
}

type contenderResult struct {
	Name   string    `json:"name"`
	Rounds []figures `json:"rounds"`
}

// verdictOnTarget says whether a target is met.
type verdictOnTarget struct {
	Metric  metric  `json:"metric"`
	Against string  `json:"against,omitempty"` // "": the figure itself counts
	Limit   float64 `json:"limit"`
	AtLeast bool    `json:"at_least,omitempty"`
	Figure  spread  `json:"figure"`
	Met     bool    `json:"met"`
}

// spread is a median and the least and most of all rounds.
type spread struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Least: sorted[0], Most: sorted[n-1]}
}

// spread returns a figure of a contender over all rounds.
func (c *contenderResult) spread(m metric) spread {
	values := make([]float64, len(c.Rounds))
	for i, f := range c.Rounds {
		values[i] = m.of(f)
	}
	return spreadOf(values)
}

// ratio returns the ratio of a figure to that of another contender, each of the
// same round.
func (c *contenderResult) ratio(other *contenderResult, m metric) spread {
	var values []float64
	for i, f := range c.Rounds {
		if i < len(other.Rounds) && m.of(other.Rounds[i]) > 0 {
			values = append(values, m.of(f)/m.of(other.Rounds[i]))
		}
	}
	return spreadOf(values)
}

// compare holds the subject to the targets: the medians count.
func (r *result) compare(targets []target) {
	subject := &r.Contenders[len(r.Contenders)-1]
	for _, t := range targets {
		v := verdictOnTarget{Metric: t.metric, Limit: t.limit, AtLeast: t.atLeast}
		if t.against < 0 {
			v.Figure = subject.spread(t.metric)
		} else {
			v.Against = r.Contenders[t.against].Name
			v.Figure = subject.ratio(&r.Contenders[t.against], t.metric)
		}
		v.Met = t.kept(v.Figure.Median)
		r.Verdicts = append(r.Verdicts, v)
	}
}
