package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"privyseal/authz"
)

// maxClaims bounds the claims of one rule, and maxClaimList the elements of one.
const (
	maxClaims    = 32
	maxClaimList = 500
)

// claim is a claim of the assertion whose value is an expression.
type claim struct {
	name  string
	value *expr
}

// claims compiles the claims of a rule, in the order of their names.
func (c *compiler) claims(path string, options map[string]string) []claim {
	if len(options) > maxClaims {
		c.wrongf(path, "has %d claims, over %d", len(options), maxClaims)
	}
	list := make([]claim, 0, len(options))
	for _, name := range slices.Sorted(maps.Keys(options)) {
		at := path + "." + name
		c.wrong(at, authz.ValidClaimName(name))
		list = append(list, claim{name, c.expression(at, options[name],
			cel.StringType, cel.BoolType, cel.IntType, cel.ListType(cel.StringType), cel.ListType(cel.DynType), cel.DynType)})
	}
	return list
}

// extra makes the claims for a caller who is allowed.
func (j *judge) extra(ctx context.Context, who *caller) (authz.Extra, error) {
	if len(j.claims) == 0 {
		return authz.Extra{}, nil
	}
	made := make([]authz.Claim, len(j.claims))
	for i, claim := range j.claims {
		value, err := claim.value.claim(ctx, who)
		if err != nil {
			return authz.Extra{}, err
		}
		made[i] = authz.Claim{Name: claim.name, Value: value}
	}
	return authz.Extra{Claims: made}, nil
}

// claim returns the value of the expression as a claim of its own.
func (e *expr) claim(ctx context.Context, who *caller) (any, error) {
	v := e.shared.view(who)
	defer e.shared.release(v)
	result, err := e.evaluate(ctx, v)
	if err != nil {
		return nil, err
	}
	value, err := claimValue(result)
	if err != nil {
		return nil, (authz.Denial{Reason: authz.PolicyError, Detail: "a claim of the rule could not be made"}).Because(fmt.Errorf("%s: %v", e.label, err))
	}
	return value, nil
}

var errClaimType = errors.New("is neither a text, nor a number without fraction, true or false, or a list of texts")

// claimValue clones texts, which may point into the request.
func claimValue(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.String:
		return strings.Clone(string(v)), nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case traits.Lister:
		return claimList(v)
	}
	return nil, errClaimType
}

func claimList(v traits.Lister) ([]string, error) {
	size, ok := v.Size().(types.Int)
	if !ok || size > maxClaimList {
		return nil, fmt.Errorf("is a list of more than %d", maxClaimList)
	}
	list := make([]string, 0, size)
	for i := range size {
		s, ok := v.Get(i).(types.String)
		if !ok {
			return nil, errClaimType
		}
		list = append(list, strings.Clone(string(s)))
	}
	return list, nil
}

// readsPath reports whether an expression of a judge reads the path of requests.
func readsPath(of authz.Judge) bool {
	j, ok := of.(*judge)
	if !ok {
		return false
	}
	reads := func(c clause) bool { return c.when != nil && c.when.readsPath }
	return slices.ContainsFunc(j.deny, reads) || slices.ContainsFunc(j.allow, reads) ||
		slices.ContainsFunc(j.claims, func(c claim) bool { return c.value != nil && c.value.readsPath })
}
