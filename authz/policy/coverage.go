package policy

// Coverage counts which rules and clauses decided about the requests of a test.
// It is not safe for concurrent use.
type Coverage struct {
	rules map[string]*CoveredRule
	order []*CoveredRule
}

// CoveredRule is a rule that owns requests, and how many it did own.
type CoveredRule struct {
	Rule     string // its name
	Path     string // of the option, such as rules[3].rules[0]
	Requests int
	Clauses  []CoveredClause
}

// CoveredClause is a clause, and how often it was the one that decided.
type CoveredClause struct {
	Path    string // in its rule, such as "allow[0]"
	Decided int
}

// NewCoverage returns the rules of a policy, none of them covered.
func NewCoverage(p *Policy) *Coverage {
	c := &Coverage{rules: map[string]*CoveredRule{}}
	for _, route := range Routes(p) {
		if !route.Denies {
			c.rules[route.Rule] = &CoveredRule{Rule: route.Rule, Path: route.Path}
			c.order = append(c.order, c.rules[route.Rule])
		}
	}
	for _, rule := range p.rules {
		if j, ok := rule.Judge.(*judge); ok {
			c.rules[rule.Name].Clauses = j.covered()
		}
	}
	return c
}

func (j *judge) covered() (list []CoveredClause) {
	for i := range j.deny {
		list = append(list, CoveredClause{Path: clausePath("deny", i)})
	}
	for i := range j.allow {
		list = append(list, CoveredClause{Path: clausePath("allow", i)})
	}
	return list
}

// Add counts what decided in one trial.
func (c *Coverage) Add(e *Explanation) {
	if e.Rule == nil {
		return
	}
	rule := c.rules[e.Rule.Name]
	rule.Requests++
	for i, clause := range e.Clauses {
		if clause.Decides {
			rule.Clauses[i].Decided++
		}
	}
}

// Rules returns the rules, in file order.
func (c *Coverage) Rules() []CoveredRule {
	list := make([]CoveredRule, len(c.order))
	for i, rule := range c.order {
		list[i] = *rule
	}
	return list
}
