package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/parser"

	"privyseal/authz"
)

// Explanation is what a policy answers and why. It shows values of the request
// and of the identity: it is for whoever may see these.
type Explanation struct {
	Rule    *authz.Rule       // that owns the request; nil if there is none
	Denial  *authz.Denial     // nil: the caller is allowed
	Clauses []ExplainedClause // of the rule, in the order in which they are asked
	Extra   authz.Extra       // what the judge adds to the assertion of a caller who is allowed
}

// ExplainedClause is one clause and what each of its keys says of a caller, also
// where an earlier clause or key decides already.
type ExplainedClause struct {
	Path    string // in its rule, such as "allow[0]"
	Holds   bool
	Decides bool  // it is the one that allows or denies
	Err     error // why it cannot be answered, which denies
	Keys    []ExplainedKey
}

// ExplainedKey is one key of a clause.
type ExplainedKey struct {
	Name   string // "from", "groups", "emails", "domains", "subjects" or "when"
	Holds  bool
	Err    error            // of when: why it has no value
	Values []ExplainedValue // of when: what it is made of
}

// ExplainedValue is a part of an expression that was evaluated.
type ExplainedValue struct {
	Text         string // of the part
	Value        string // in the notation of CEL, or "error: " and why; at most 200 bytes
	Line, Column int    // in the expression, from 1
}

// maxShown bounds a value that is shown, in bytes.
const maxShown = 200

// Explain judges a request of an identity and tells how. A fault is an error.
// Nil stands for nobody: only the rule is told then. It is slower than judging
// and for tools.
func (p *Policy) Explain(ctx context.Context, r *authz.Request, id *authz.Identity) (Explanation, error) {
	rule, denial := p.Match(r)
	told := Explanation{Rule: rule, Denial: denial}
	if rule == nil || rule.Public || id == nil {
		return told, nil
	}
	j, ok := rule.Judge.(*judge)
	if !ok {
		return told, fmt.Errorf("rule %s has another judge", rule.Name)
	}
	var err error
	if told.Extra, err = j.Judge(ctx, r, id); err != nil && !errors.As(err, &told.Denial) {
		return told, err
	}
	accused, who := suspect(r, id, j.sources[id.Source]), believed(r, id, j.sources[id.Source])
	told.Clauses = slices.Concat(explainAll(ctx, "deny", j.deny, &accused), explainAll(ctx, "allow", j.allow, &who))
	for i := range told.Clauses {
		if c := &told.Clauses[i]; c.Holds || c.Err != nil {
			c.Decides = true
			break
		}
	}
	return told, nil
}

// clausePath names a clause within its rule.
func clausePath(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

func explainAll(ctx context.Context, list string, clauses []clause, who *caller) []ExplainedClause {
	told := make([]ExplainedClause, len(clauses))
	for i := range clauses {
		c := &clauses[i]
		told[i] = ExplainedClause{Path: clausePath(list, i), Keys: c.explainKeys(ctx, who)}
		told[i].Holds, told[i].Err = c.holds(ctx, who)
	}
	return told
}

func (c *clause) explainKeys(ctx context.Context, who *caller) []ExplainedKey {
	keys := []ExplainedKey{{Name: "from", Holds: slices.Contains(c.from, who.Source)}}
	for _, key := range []struct {
		name  string
		words *words
		said  []string
	}{
		{"groups", c.groups, who.Groups}, {"emails", c.emails, []string{who.email}},
		{"domains", c.domains, []string{who.domain}}, {"subjects", c.subjects, []string{who.Subject}},
	} {
		if key.words != nil {
			keys = append(keys, ExplainedKey{Name: key.name, Holds: slices.ContainsFunc(key.said, key.words.fit)})
		}
	}
	if c.when != nil {
		keys = append(keys, c.when.explain(ctx, who))
	}
	return keys
}

// explain evaluates a condition once more and keeps what its parts were. The
// view is not shared: what is kept points into it.
func (e *expr) explain(ctx context.Context, who *caller) ExplainedKey {
	key := ExplainedKey{Name: "when"}
	if key.Holds, key.Err = e.holds(ctx, who); key.Err != nil && ctx.Err() != nil {
		return key
	}
	program, err := e.shared.env.Program(e.checked, cel.EvalOptions(cel.OptTrackState), cel.CostLimit(maxCost), cel.InterruptCheckFrequency(interruptEvery))
	if err != nil {
		key.Err = errors.Join(key.Err, err)
		return key
	}
	v := new(view)
	e.shared.fill(v, who)
	_, details, _ := program.ContextEval(ctx, v)
	state := details.State()
	if state == nil {
		return key
	}
	e.visit(func(n ast.NavigableExpr) {
		value, seen := state.Value(n.ID())
		text, err := parser.Unparse(n, e.checked.NativeRep().SourceInfo())
		if !seen || err != nil || !worthShowing(n, value) {
			return
		}
		location := e.checked.NativeRep().SourceInfo().GetStartLocation(n.ID())
		key.Values = append(key.Values, ExplainedValue{Text: text, Value: shown(value), Line: location.Line(), Column: location.Column() + 1})
	})
	return key
}

// worthShowing leaves out what the text says itself, what is only read a part of,
// and the inside of comprehensions, which has a value for each of its rounds.
func worthShowing(n ast.NavigableExpr, value ref.Val) bool {
	switch value.(type) {
	case nil, *named:
		return false
	}
	if n.Kind() == ast.LiteralKind || partRead(n) {
		return false
	}
	for up, ok := n.Parent(); ok; up, ok = up.Parent() {
		if up.Kind() == ast.ComprehensionKind {
			return false
		}
	}
	return true
}

// partRead reports whether the node above reads a field or an element of n.
func partRead(n ast.NavigableExpr) bool {
	up, ok := n.Parent()
	return ok && (up.Kind() == ast.SelectKind ||
		up.Kind() == ast.CallKind && up.AsCall().FunctionName() == operators.Index && up.AsCall().Args()[0].ID() == n.ID())
}

func shown(value ref.Val) string {
	var s string
	switch value := value.(type) {
	case *types.Err:
		s = "error: " + failure(value)
	default:
		s = types.Format(value)
	}
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown-3], "") + "..."
	}
	return s
}
