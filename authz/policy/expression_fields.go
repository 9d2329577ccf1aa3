package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"privyseal/authz"
)

// view is what one evaluation reads: a request and a caller as a list of
// clauses goes by them. It is the variables of CEL, and the objects request and
// identity are the view itself, so that an evaluation makes only the values it
// asks for.
type view struct {
	shared   *expressions
	request  *authz.Request
	identity *authz.Identity
	email    string // "" if there is none to go by
	verified bool   // somebody vouches for the address
	denying  bool
	time     time.Time // read once
}

// ResolveName implements [cel.Activation].
func (v *view) ResolveName(name string) (any, bool) {
	switch name {
	case "request", "identity":
		return v, true
	}
	return nil, false
}

// Parent implements [cel.Activation].
func (v *view) Parent() cel.Activation { return nil }

var (
	requestType  = cel.ObjectType("request")
	identityType = cel.ObjectType("identity")

	stringMap = cel.MapType(cel.StringType, cel.StringType)
	claimMap  = cel.MapType(cel.StringType, cel.DynType)
)

// field is one field of request or identity.
type field struct {
	kind *cel.Type
	// read returns the value, or what is said about it: see [unread].
	read func(*view) (any, error)
}

// unread is why a field cannot be read. What is absent was not said; has() is
// false of it, and of nothing else.
type unread struct {
	text   string
	absent bool
}

func (e *unread) Error() string { return e.text }

func absent(name string) error {
	return &unread{text: name + " is absent; ask has(" + name + ") first", absent: true}
}

// fieldsOf are the fields by type and name.
var fieldsOf = map[string]map[string]field{
	"request": {
		"method":   {cel.StringType, func(v *view) (any, error) { return types.String(v.request.Method), nil }},
		"scheme":   text("request.scheme", func(v *view) string { return v.request.Scheme }),
		"host":     {cel.StringType, func(v *view) (any, error) { return types.String(v.request.Host), nil }},
		"path":     text("request.path", func(v *view) string { return v.request.Path }),
		"raw_path": text("request.raw_path", func(v *view) string { return v.request.RawPath }),
		"query":    {cel.StringType, func(v *view) (any, error) { return bounded(v.request.Query) }},
		"client":   {ext.IPType, readClient},
		"time": {cel.TimestampType, func(v *view) (any, error) {
			if v.time.IsZero() {
				v.time = v.shared.now().UTC()
			}
			return types.Timestamp{Time: v.time}, nil
		}},
		"headers":            {stringMap, func(v *view) (any, error) { return &named{read: v.header}, nil }},
		"context_extensions": {stringMap, func(v *view) (any, error) { return &named{read: v.extension}, nil }},
		"metadata":           {cel.MapType(cel.StringType, claimMap), func(v *view) (any, error) { return &named{read: v.metadata}, nil }},
	},
	"identity": {
		"source":         {cel.StringType, func(v *view) (any, error) { return types.String(v.identity.Source), nil }},
		"issuer":         text("identity.issuer", func(v *view) string { return v.identity.Issuer }),
		"subject":        text("identity.subject", func(v *view) string { return v.identity.Subject }),
		"session":        text("identity.session", func(v *view) string { return v.identity.Session }),
		"name":           text("identity.name", func(v *view) string { return v.identity.Name }),
		"acr":            text("identity.acr", func(v *view) string { return v.identity.ACR }),
		"email":          {cel.StringType, readEmail},
		"email_verified": {cel.BoolType, func(v *view) (any, error) { return types.Bool(v.verified), nil }},
		"groups":         {cel.ListType(cel.StringType), readGroups},
		"amr":            {cel.ListType(cel.StringType), readAMR},
		"auth_time":      {cel.TimestampType, readAuthTime},
		"claims": {claimMap, func(v *view) (any, error) {
			if v.identity.Claims == nil {
				return map[string]any{}, nil
			}
			return v.identity.Claims, nil
		}},
	},
}

// text is a field that is absent when it is empty.
func text(name string, read func(*view) string) field {
	none := absent(name)
	return field{cel.StringType, func(v *view) (any, error) {
		if s := read(v); s != "" {
			return bounded(s)
		}
		return nil, none
	}}
}

// bounded keeps a client from making an evaluation cost more than was estimated
// when rules were loaded.
func bounded(s string) (any, error) {
	if len(s) > maxText {
		return nil, errLong
	}
	return types.String(s), nil
}

var (
	errNoClient   = absent("request.client")
	errNoEmail    = absent("identity.email")
	errNoGroups   = absent("identity.groups")
	errNoAMR      = absent("identity.amr")
	errNoAuthTime = absent("identity.auth_time")

	errUnverified     = &unread{text: "identity.email is an address that nobody vouches for; ask identity.email_verified first"}
	errUnclearEmail   = &unread{text: "identity.email does not hold exactly one '@'"}
	errUnknownGroups  = &unread{text: "identity.groups is not known: the source could not list all groups"}
	errRepeatedHeader = &unread{text: "a header is repeated, or holds a comma, behind which a repeated one may hide"}
	errLong           = &unread{text: fmt.Sprintf("a text is longer than %d bytes", maxText)}
	errMetadata       = &unread{text: "request.metadata is malformed"}
)

func readClient(v *view) (any, error) {
	if !v.request.Client.IsValid() {
		return nil, errNoClient
	}
	return v.request.Client.Unmap().WithZone(""), nil
}

// readEmail returns the address that the keys emails and domains go by, in lower
// case.
func readEmail(v *view) (any, error) {
	switch {
	case v.identity.Email == "":
		return nil, errNoEmail
	case v.email != "":
		return types.String(v.email), nil
	case !v.denying && !v.verified:
		return nil, errUnverified
	}
	return nil, errUnclearEmail
}

func readGroups(v *view) (any, error) {
	switch {
	case v.identity.GroupsUnknown:
		return nil, errUnknownGroups
	case v.identity.GroupsAbsent:
		return nil, errNoGroups
	}
	return types.NewStringList(v.shared.env.CELTypeAdapter(), v.identity.Groups), nil
}

func readAMR(v *view) (any, error) {
	if len(v.identity.AMR) == 0 {
		return nil, errNoAMR
	}
	return types.NewStringList(v.shared.env.CELTypeAdapter(), v.identity.AMR), nil
}

func readAuthTime(v *view) (any, error) {
	if v.identity.AuthTime.IsZero() {
		return nil, errNoAuthTime
	}
	return types.Timestamp{Time: v.identity.AuthTime.UTC()}, nil
}

// header returns the one value of a header. Of several, the application may
// read another than we do; in Envoy's map form they are one, joined by commas.
func (v *view) header(name string) (any, error) {
	switch values := v.request.Headers.Values(name); {
	case len(values) == 0:
		return nil, nil
	case len(values) > 1 || strings.IndexByte(values[0], ',') >= 0:
		return nil, errRepeatedHeader
	default:
		return bounded(values[0])
	}
}

func (v *view) extension(key string) (any, error) {
	if value := v.request.Facts.Extension(key); value != "" {
		return types.String(value), nil
	}
	return nil, nil
}

func (v *view) metadata(namespace string) (any, error) {
	values, err := v.request.Facts.Metadata(namespace)
	if err != nil {
		return nil, errMetadata
	}
	if values == nil {
		return nil, nil
	}
	return types.NewStringInterfaceMap(v.shared.env.CELTypeAdapter(), values), nil
}

// fields provides the types request and identity beside those of CEL.
type fields struct{ *types.Registry }

// FindStructType implements [types.Provider].
func (f fields) FindStructType(name string) (*types.Type, bool) {
	switch name {
	case "request":
		return types.NewTypeTypeWithParam(requestType), true
	case "identity":
		return types.NewTypeTypeWithParam(identityType), true
	}
	return nil, false
}

// FindStructFieldNames implements [types.Provider].
func (f fields) FindStructFieldNames(name string) ([]string, bool) {
	known, found := fieldsOf[name]
	return slices.Sorted(maps.Keys(known)), found
}

// FindStructFieldType implements [types.Provider].
func (f fields) FindStructFieldType(object, name string) (*types.FieldType, bool) {
	known, found := fieldsOf[object][name]
	if !found {
		return nil, false
	}
	return &types.FieldType{
		Type: known.kind,
		IsSet: func(target any) bool {
			_, err := known.read(target.(*view))
			why, unread := err.(*unread)
			return !unread || !why.absent
		},
		GetFrom: func(target any) (any, error) { return known.read(target.(*view)) },
	}, true
}

// NewValue implements [types.Provider]: expressions make no objects.
func (f fields) NewValue(name string, _ map[string]ref.Val) ref.Val {
	return types.NewErr("no such type: %s", name)
}
