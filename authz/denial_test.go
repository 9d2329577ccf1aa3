package authz

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"strconv"
	"testing"
)

// TestStatusOfEveryReason is the table of the contract. The source is read too,
// so that a reason cannot be added without a line here.
func TestStatusOfEveryReason(t *testing.T) {
	want := map[Reason]int{
		MalformedRequest: 400, AmbiguousPath: 400, LoginFailed: 400,
		Unauthenticated: 401, InvalidCredential: 401, ExpiredCredential: 401, UnknownIssuer: 401,
		LoginLoop: 403, SessionTooLarge: 403, NoRule: 403, DeniedByRule: 403, NotAllowed: 403, GroupsUnknown: 403, PolicyError: 403, NoAudience: 403, UnsafeClaim: 403, AssertionTooLarge: 403,
		SourceUnavailable: 503, SigningFailed: 503, Unrecorded: 503, DeadlineExceeded: 503, Fault: 503,
		Allowed: 503, Public: 503, Answered: 503, // of a denial, they are a defect
	}
	file, err := parser.ParseFile(token.NewFileSet(), "denial.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[Reason]int{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Reason" {
			reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			declared[Reason(reason)] = Reason(reason).Status()
		}
		return true
	})
	if !maps.Equal(declared, want) {
		t.Errorf("declared %v\nwant %v", declared, want)
	}
}
