package policy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// adapter makes CEL values of decoded JSON.
type adapter struct{ *types.Registry }

// NativeToValue implements [types.Adapter].
func (a adapter) NativeToValue(value any) ref.Val {
	switch value := value.(type) {
	case ref.Val:
		return value
	case json.Number:
		return number(string(value))
	case map[string]any:
		return types.NewStringInterfaceMap(a, value)
	case []any:
		return types.NewDynamicList(a, value)
	}
	return a.Registry.NativeToValue(value)
}

// number is an integer if it is written as one and is not too large for it.
func number(s string) ref.Val {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return types.Int(i)
	}
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		return types.Uint(u)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return types.NewErr("a number is out of range")
	}
	return types.Double(f)
}

// named is a map that is read by name and never listed.
type named struct {
	read func(name string) (any, error) // nil, nil: absent
}

// Find implements [traits.Mapper].
func (m *named) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(key), false
	}
	value, err := m.read(string(name))
	if err != nil {
		return types.WrapErr(err), false
	}
	if value == nil {
		return nil, false
	}
	return value.(ref.Val), true
}

// Get implements [traits.Indexer].
func (m *named) Get(key ref.Val) ref.Val {
	value, found := m.Find(key)
	if value == nil && !found {
		return types.NewErr("no such key")
	}
	return value
}

// Contains implements [traits.Container]. What cannot be read is there.
func (m *named) Contains(key ref.Val) ref.Val {
	value, found := m.Find(key)
	if found {
		return types.True
	}
	if why, ok := value.(*types.Err); ok {
		if _, unread := why.Unwrap().(*unread); unread {
			return types.True
		}
		return why
	}
	return types.False
}

var _ traits.Mapper = (*named)(nil)

func (m *named) unsupported() ref.Val { return types.NewErr("is read by name") }

// Iterator and the rest of [traits.Mapper] are never reached: what would reach
// them is refused when rules are loaded.
func (m *named) Iterator() traits.Iterator      { panic("headers are listed") }
func (m *named) Size() ref.Val                  { return m.unsupported() }
func (m *named) Equal(ref.Val) ref.Val          { return m.unsupported() }
func (m *named) ConvertToType(ref.Type) ref.Val { return m.unsupported() }
func (m *named) Type() ref.Type                 { return types.MapType }
func (m *named) Value() any                     { return m }

// ConvertToNative implements [ref.Val].
func (m *named) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("no conversion to %v", t)
}
