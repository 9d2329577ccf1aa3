package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
)

// resultOf refuses an expression whose value is of none of the wanted types.
func resultOf(checked *cel.Ast, wanted []*cel.Type) error {
	got := checked.OutputType()
	if slices.ContainsFunc(wanted, got.IsExactType) {
		return nil
	}
	var names []string
	for _, t := range wanted {
		if name := t.String(); !strings.Contains(name, "dyn") { // it may turn out to be one of the others
			names = append(names, name)
		}
	}
	hint := ""
	if got.IsExactType(cel.DynType) {
		hint = "; compare it, as in identity.claims.tenant == \"acme\""
	}
	return fmt.Errorf("has a value of type %s, which must be %s%s", got, strings.Join(names, " or "), hint)
}

// inspect refuses what is well typed and still not wanted, and notes what the
// expression reads.
func (e *expr) inspect() (err error) {
	e.visit(func(n ast.NavigableExpr) {
		var wrong error
		switch n.Kind() {
		case ast.ComprehensionKind:
			e.loops = true
		case ast.StructKind:
			wrong = errors.New("makes an object; expressions only read")
		case ast.IdentKind:
			wrong = e.inspectObject(n)
		case ast.CallKind:
			wrong = inspectCall(n.AsCall())
		}
		if err == nil && wrong != nil {
			err = fmt.Errorf("%s%w", e.column(n.ID()), wrong)
		}
	})
	return err
}

// column names a place for a message.
func (e *expr) column(node int64) string {
	location := e.checked.NativeRep().SourceInfo().GetStartLocation(node)
	return position(location.Line(), location.Column()+1)
}

func position(line, column int) string {
	switch {
	case line <= 0:
		return ""
	case line == 1:
		return fmt.Sprintf("column %d: ", column)
	}
	return fmt.Sprintf("line %d, column %d: ", line, column)
}

// inspectObject looks at what is read of request or identity. Nothing else than
// a field is: so no field is read unnoticed.
func (e *expr) inspectObject(n ast.NavigableExpr) error {
	object := n.AsIdent()
	if fieldsOf[object] == nil {
		return nil
	}
	name, parent := selected(n)
	switch object + "." + name {
	case object + ".":
		return fmt.Errorf("%s is read as a whole; name one of its fields", object)
	case "request.path", "request.raw_path", "request.query":
		e.readsPath = true
	case "request.headers", "request.context_extensions", "request.metadata":
		return inspectNamed(name, parent)
	}
	return nil
}

// selected returns the field that is read of an object, and the node that reads
// it: object.field, has(object.field) or object.?field.
func selected(n ast.NavigableExpr) (name string, by ast.NavigableExpr) {
	parent, ok := n.Parent()
	if !ok {
		return "", nil
	}
	switch parent.Kind() {
	case ast.SelectKind:
		return parent.AsSelect().FieldName(), parent
	case ast.CallKind:
		if call := parent.AsCall(); call.FunctionName() == operators.OptSelect && call.Args()[0].ID() == n.ID() {
			name, _ := literalText(call.Args()[1])
			return name, parent
		}
	}
	return "", nil
}

// inspectNamed looks at how a map that is read by name is read.
func inspectNamed(name string, n ast.NavigableExpr) error {
	refused := fmt.Errorf("request.%s is read by a name that is written out: request.%s[\"x\"], or \"x\" in request.%s", name, name, name)
	if n.Kind() == ast.SelectKind && n.AsSelect().IsTestOnly() || n.Kind() == ast.CallKind {
		return refused
	}
	parent, ok := n.Parent()
	if !ok {
		return refused
	}
	key, written := "", false
	switch parent.Kind() {
	case ast.SelectKind:
		key, written = parent.AsSelect().FieldName(), true
	case ast.CallKind:
		call := parent.AsCall()
		switch function := call.FunctionName(); {
		case (function == operators.Index || function == operators.OptIndex || function == operators.OptSelect) && call.Args()[0].ID() == n.ID():
			key, written = literalText(call.Args()[1])
		case function == operators.In && call.Args()[1].ID() == n.ID():
			key, written = literalText(call.Args()[0])
		}
	}
	switch {
	case !written:
		return refused
	case name == "headers" && key != strings.ToLower(key):
		return errors.New("names of headers are lower case here")
	}
	return nil
}

// fixedZone is what time zones may be: names of places are looked up on disk.
var fixedZone = regexp.MustCompile(`^(UTC|[+-]?[0-9]{2}:[0-9]{2})$`)

func inspectCall(call ast.CallExpr) error {
	switch name := call.FunctionName(); name {
	case "replace":
		return errors.New("replace is not available: what it makes may be longer than all that it reads")
	case "join":
		return errors.New("join is not available: what it makes may be longer than all that it reads")
	case "matches":
		if _, written := literalText(call.Args()[len(call.Args())-1]); !written {
			return errors.New("the pattern of matches must be written out: nobody else may choose it")
		}
	case "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds":
		if len(call.Args()) == 0 {
			return nil
		}
		if zone, written := literalText(call.Args()[0]); !written || !fixedZone.MatchString(zone) {
			return errors.New(`the time zone must be written out as "UTC" or an offset such as "+02:00"`)
		}
	}
	return nil
}

func literalText(n ast.Expr) (string, bool) {
	if n.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := n.AsLiteral().Value().(string)
	return s, ok
}

// sizes tells the estimate of an expression's cost how large values can be, in
// characters and elements.
type sizes struct{}

// EstimateCallCost implements [cost.Estimator].
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// EstimateSize implements [cost.Estimator].
func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	path := n.Path()
	if len(path) < 2 || len(path) > 8 {
		return nil
	}
	most := uint64(1024)
	switch path[0] + "." + path[1] {
	case "request.method":
		most = 32
	case "request.path", "request.raw_path", "request.query", "request.metadata":
		most = maxText
	case "request.headers":
		if most = 100; len(path) > 2 {
			most = maxText
		}
	case "identity.groups":
		if most = 500; len(path) > 2 {
			most = 256
		}
	}
	return &cost.SizeEstimate{Min: 0, Max: most}
}
