package main

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"privyseal/authz/policy"
)

// testReport is what became of the cases of one file, in JSON.
type testReport struct {
	File      string       `json:"file"`
	Requests  int          `json:"requests"`
	Failed    int          `json:"failed"`
	Results   []testResult `json:"results"`
	Uncovered []string     `json:"uncovered"` // rules, and clauses such as "orders allow[1]", that decided about no request
	parts     int          // rules and clauses
}

type testResult struct {
	Case    string   `json:"case"`
	Caller  string   `json:"as"`
	Request string   `json:"request"`
	Passed  bool     `json:"passed"`
	Wrong   []string `json:"wrong,omitempty"`
	Outcome string   `json:"outcome"`
	Reason  string   `json:"reason"`
	Rule    string   `json:"rule,omitempty"`
}

func reportOfTests(file string, r *policy.CaseReport) testReport {
	t := testReport{File: file, Requests: len(r.Results), Failed: r.Failed(), Results: []testResult{}, Uncovered: []string{}}
	for i := range r.Results {
		one := &r.Results[i]
		rec := &one.Trial.Decision.Record
		t.Results = append(t.Results, testResult{
			one.Case, one.Caller, one.Request, len(one.Wrong) == 0, one.Wrong, string(rec.Outcome), string(rec.Reason), rec.Rule,
		})
	}
	for _, rule := range r.Coverage {
		t.parts += 1 + len(rule.Clauses)
		if rule.Requests == 0 {
			t.Uncovered = append(t.Uncovered, rule.Rule)
		}
		for _, c := range rule.Clauses {
			if c.Decided == 0 {
				t.Uncovered = append(t.Uncovered, rule.Rule+" "+c.Path)
			}
		}
	}
	return t
}

func writeTests(c *cobra.Command, output format, reports []testReport) error {
	switch output {
	case "json":
		return writeJSON(c.OutOrStdout(), reports)
	case "junit":
		return writeJUnit(c.OutOrStdout(), reports)
	}
	for _, r := range reports {
		r.write(c.OutOrStdout())
	}
	return nil
}

func (r *testReport) write(w io.Writer) {
	for _, one := range r.Results {
		if one.Passed {
			continue
		}
		fmt.Fprintf(w, "FAIL %s: %s, %s\n", printable(one.Case), printable(one.Caller), printable(one.Request))
		for _, wrong := range one.Wrong {
			fmt.Fprintf(w, "     %s\n", printable(wrong))
		}
	}
	for _, part := range r.Uncovered {
		fmt.Fprintf(w, "not covered: %s\n", part)
	}
	word := "ok"
	if r.Failed > 0 {
		word = "FAIL"
	}
	fmt.Fprintf(w, "%s %s: %d requests, %d failed, %d of %d rules and clauses covered\n",
		word, printable(r.File), r.Requests, r.Failed, r.parts-len(r.Uncovered), r.parts)
}

// JUnit's XML, as far as programs agree about it.
type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
}

func writeJUnit(w io.Writer, reports []testReport) error {
	var suites junitSuites
	for _, r := range reports {
		suite := junitSuite{Name: r.File, Tests: r.Requests, Failures: r.Failed}
		for _, one := range r.Results {
			c := junitCase{Class: one.Case, Name: one.Caller + " " + one.Request}
			if !one.Passed {
				c.Failure = &junitFailure{fmt.Sprintf("%q", one.Wrong)}
			}
			suite.Cases = append(suite.Cases, c)
		}
		suites.Suites = append(suites.Suites, suite)
	}
	fmt.Fprint(w, xml.Header)
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suites); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}
