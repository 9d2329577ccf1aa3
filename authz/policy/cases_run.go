package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"privyseal/authz"
)

// CaseResult is one request of a case.
type CaseResult struct {
	Case    string // its name
	Path    string // of the case in its file, such as cases[3]
	Caller  string // the name of the identity
	Request string // method and URL
	Trial   Trial
	Wrong   []string // what is not as expected; none: passed
}

// CaseReport is what became of cases.
type CaseReport struct {
	Results  []CaseResult
	Coverage []CoveredRule
}

// Failed returns how many requests did not come to what is expected.
func (r *CaseReport) Failed() (n int) {
	for i := range r.Results {
		if len(r.Results[i].Wrong) > 0 {
			n++
		}
	}
	return n
}

// Run rehearses cases. Rehearse makes the rehearsal with a clock that Run sets;
// only says which cases to run, by their names, and nil is all. Mistakes in the
// cases are returned all at once, as [authz.OptionError] values joined.
func (c *Cases) Run(ctx context.Context, rehearse func(now func() time.Time) (*Rehearsal, error), only func(name string) bool) (*CaseReport, error) {
	var now time.Time
	h, err := rehearse(func() time.Time { return now })
	if err != nil {
		return nil, err
	}
	compiled, err := c.compile(h.policy)
	if err != nil {
		return nil, err
	}
	report := &CaseReport{}
	coverage := NewCoverage(h.policy)
	for i := range compiled {
		trial := &compiled[i]
		if only != nil && !only(trial.result.Case) {
			continue
		}
		now = trial.now
		result := trial.result
		if result.Trial, err = h.Try(ctx, trial.request, trial.unreadable, trial.identity); err != nil {
			return nil, fmt.Errorf("%s: %v", result.Case, err)
		}
		coverage.Add(&result.Trial.Explanation)
		result.Wrong = trial.expect.differences(&result.Trial)
		report.Results = append(report.Results, result)
	}
	report.Coverage = coverage.Rules()
	return report, nil
}

// caseTrial is one request of a case, ready to be tried.
type caseTrial struct {
	result     CaseResult
	now        time.Time
	identity   *authz.Identity
	request    *authz.Request
	unreadable *authz.Denial
	expect     *Expectation
}

// compile returns the requests of all cases, or what is wrong with them.
func (c *Cases) compile(p *Policy) ([]caseTrial, error) {
	m := caseCompiler{rules: p, names: p.ruleNames(), identities: map[string]*authz.Identity{nobody: nil}}
	if c.Version != 1 {
		m.wrong("version", errors.New("is not 1, the only version there is"))
	}
	now := m.time("now", c.Now, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	for name, id := range c.Identities {
		m.identities[name] = m.identity("identities."+name, name, &id)
	}
	if len(c.Cases) == 0 {
		m.wrong("cases", errors.New("is missing or empty: nothing would be tested"))
	}
	names := map[string]bool{}
	for i := range c.Cases {
		path, one := fmt.Sprintf("cases[%d]", i), &c.Cases[i]
		switch {
		case one.Name == "":
			m.wrong(path+".name", errors.New("is missing: say what is tested"))
		case names[one.Name]:
			m.wrong(path+".name", errors.New("is the name of another case"))
		}
		names[one.Name] = true
		m.add(path, one, m.time(path+".now", one.Now, now))
	}
	if len(m.trials) > maxTrials {
		m.wrong("cases", fmt.Errorf("make %d requests, over %d; split the file", len(m.trials), maxTrials))
	}
	return m.trials, errors.Join(m.errs...)
}

// caseCompiler collects what is wrong with cases.
type caseCompiler struct {
	rules      *Policy
	names      []string // of all rules
	identities map[string]*authz.Identity
	trials     []caseTrial
	errs       []error
}

func (m *caseCompiler) wrong(path string, err error) {
	if err != nil {
		m.errs = append(m.errs, &authz.OptionError{Path: path, Err: err})
	}
}

// add adds the requests of one case.
func (m *caseCompiler) add(path string, one *Case, now time.Time) {
	m.expectation(path+".expect", &one.Expect)
	if len(one.Requests) == 0 {
		m.wrong(path+".requests", errors.New("is missing or empty: name a method and a URL, such as GET https://orders.example.com/"))
	}
	callers := one.As
	if callers == nil {
		callers = Callers{nobody}
	}
	if len(callers) == 0 {
		m.wrong(path+".as", errors.New("is empty: leave it out for nobody"))
	}
	for i, name := range callers {
		if _, known := m.identities[name]; !known {
			m.wrong(fmt.Sprintf("%s.as[%d]", path, i), unknown("known identity", name, slices.Collect(maps.Keys(m.identities))))
		}
	}
	for i := range one.Requests {
		r, unreadable := m.request(fmt.Sprintf("%s.requests[%d]", path, i), &one.Requests[i])
		for _, name := range callers {
			m.trials = append(m.trials, caseTrial{
				result: CaseResult{Case: one.Name, Path: path, Caller: name, Request: one.Requests[i].Request},
				now:    now, identity: m.identities[name], request: r, unreadable: unreadable, expect: &one.Expect,
			})
		}
	}
}

func (m *caseCompiler) time(path, text string, otherwise time.Time) time.Time {
	if text == "" {
		return otherwise
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		m.wrong(path, errors.New("is not a time such as 2026-01-05T09:00:00Z"))
	}
	return t
}
