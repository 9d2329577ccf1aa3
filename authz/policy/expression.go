package policy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"privyseal/authz"
)

// Bounds of an expression.
const (
	maxExpression     = 4096   // bytes
	maxRecursion      = 64     // of the parser: parentheses within parentheses
	maxExpressionNode = 2000   // nodes of the syntax tree, macros expanded
	maxComprehensions = 2      // exists, all, map and filter within one another
	maxRegexProgram   = 500    // instructions of a compiled pattern
	maxCost           = 100000 // units of one evaluation: a few milliseconds
	maxEstimate       = 1e9    // units in the worst case, above which a file is refused
	maxText           = 8192   // bytes of a path, a query, a header or a text of the identity that is read
	interruptEvery    = 64     // steps of a comprehension between two looks at the clock
)

// expressions compiles and evaluates the expressions of one policy, which share
// what they may read and call.
type expressions struct {
	env   *cel.Env
	now   func() time.Time
	views sync.Pool // of *view
}

// newExpressions declares the language: CEL with the functions that neither do
// I/O nor make a text much longer than those it is made of.
func newExpressions(now func() time.Time) (*expressions, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	env, err := cel.NewEnv(
		cel.CustomTypeAdapter(adapter{registry}),
		cel.CustomTypeProvider(fields{registry}),
		cel.Variable("request", requestType), cel.Variable("identity", identityType),
		cel.EnableMacroCallTracking(), // to write a part of an expression as it was written
		cel.OptionalTypes(), ext.Strings(ext.StringsVersion(0)), ext.Sets(), ext.Network(),
		cel.ParserExpressionSizeLimit(maxExpression), cel.ParserRecursionLimit(maxRecursion),
		cel.ExpressionNodeLimit(maxExpressionNode), cel.RegexProgramSizeLimit(maxRegexProgram),
		cel.ExtendedValidations(),
		cel.ASTValidators(cel.ValidateComprehensionNestingLimit(maxComprehensions)),
	)
	if err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	return &expressions{env: env, now: now, views: sync.Pool{New: func() any { return new(view) }}}, nil
}

// expr is a compiled expression. It is immutable and safe for concurrent
// use.
type expr struct {
	label     string // where it stands in its rule, such as "allow[0].when"
	shared    *expressions
	checked   *cel.Ast
	program   cel.Program
	loops     bool // and is interrupted when its request's time is over
	readsPath bool
}

// compile compiles an expression whose value is one of the given types.
func (x *expressions) compile(label, text string, results ...*cel.Type) (*expr, error) {
	if len(text) > maxExpression {
		return nil, fmt.Errorf("is longer than %d bytes; write several clauses", maxExpression)
	}
	checked, issues := x.env.Compile(text)
	if issues.Err() != nil {
		return nil, mistaken(text, issues.Errors())
	}
	if err := resultOf(checked, results); err != nil {
		return nil, err
	}
	e := &expr{label: label, shared: x, checked: checked}
	if err := e.inspect(); err != nil {
		return nil, err
	}
	estimate, err := x.env.EstimateCost(checked, sizes{})
	if err != nil {
		return nil, fmt.Errorf("cannot be estimated: %v", err)
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	switch {
	case estimate.Min > maxCost || estimate.Max > maxEstimate && estimate.Max != unbounded:
		return nil, fmt.Errorf("may cost %d units in the worst case, over %d; loop over less, or compare whole values", estimate.Max, int(maxEstimate))
	case estimate.Max > maxCost:
		options = append(options, cel.CostLimit(maxCost))
	}
	if e.loops {
		options = append(options, cel.InterruptCheckFrequency(interruptEvery))
	}
	if e.program, err = x.env.Program(checked, options...); err != nil {
		return nil, fmt.Errorf("cannot be planned: %v", err)
	}
	return e, nil
}

// holds reports whether the expression, a condition, is true for a caller.
func (e *expr) holds(ctx context.Context, who *caller) (bool, error) {
	v := e.shared.view(who)
	defer e.shared.release(v)
	result, err := e.evaluate(ctx, v)
	return result == types.True, err
}

// evaluate returns the value of the expression, which may point into the view.
// What goes wrong is a [*authz.Denial]; that time is over is not.
func (e *expr) evaluate(ctx context.Context, v *view) (ref.Val, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var result ref.Val
	var err error
	if e.loops {
		result, _, err = e.program.ContextEval(ctx, v)
	} else {
		result, _, err = e.program.Eval(v)
	}
	if err == nil && types.IsUnknown(result) {
		err = errors.New("unknown")
	}
	if err == nil {
		return result, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, e.failed(err)
}

// failed makes the denial of an evaluation that failed. Messages of the
// evaluator are not passed on: they may quote what a request carried.
func (e *expr) failed(err error) *authz.Denial {
	denial := authz.Denial{Reason: authz.PolicyError, Detail: "an expression of the rule could not be evaluated"}
	place := ""
	if at := (*types.Err)(nil); errors.As(err, &at) {
		place = e.place(at.NodeID())
	}
	return denial.Because(fmt.Errorf("%s%s: %s", e.label, place, failure(err)))
}

func (e *expr) place(node int64) string {
	if location := e.checked.NativeRep().SourceInfo().GetStartLocation(node); location.Line() > 0 {
		return fmt.Sprintf(", line %d, column %d", location.Line(), location.Column()+1)
	}
	return ""
}

// view returns a view of a caller, to be released.
func (x *expressions) view(who *caller) *view {
	v := x.views.Get().(*view)
	x.fill(v, who)
	return v
}

func (x *expressions) fill(v *view, who *caller) {
	*v = view{shared: x, request: who.request, identity: who.Identity, email: who.email, verified: who.verified, denying: who.denying}
}

func (x *expressions) release(v *view) {
	*v = view{}
	x.views.Put(v)
}

// unbounded is an estimate that depends on values whose size nobody knows.
const unbounded = 1<<64 - 1

// visit calls f for every node.
func (e *expr) visit(f func(ast.NavigableExpr)) {
	var walk func(ast.NavigableExpr)
	walk = func(n ast.NavigableExpr) {
		f(n)
		for _, child := range n.Children() {
			walk(child)
		}
	}
	walk(ast.NavigateAST(e.checked.NativeRep()))
}
