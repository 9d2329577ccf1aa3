package authz

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// TestDigestCoversEveryField walks the struct, so that a field that is added and
// not hashed is noticed: two people would share what is kept by digest.
func TestDigestCoversEveryField(t *testing.T) {
	zero := NewIdentity(Identity{}).Digest
	fields := reflect.TypeFor[Identity]()
	for i := range fields.NumField() {
		field := fields.Field(i)
		if field.Name == "Digest" {
			continue
		}
		var id Identity
		switch v := reflect.ValueOf(&id).Elem().Field(i); v.Interface().(type) {
		case string:
			v.SetString("x")
		case bool:
			v.SetBool(true)
		case []string:
			v.Set(reflect.ValueOf([]string{"x"}))
		case time.Time:
			v.Set(reflect.ValueOf(noon))
		case map[string]any:
			v.Set(reflect.ValueOf(map[string]any{"x": "y"}))
		default:
			t.Fatalf("field %s has a type this test does not know: %v", field.Name, field.Type)
		}
		if NewIdentity(id).Digest == zero {
			t.Errorf("%s is not in the digest", field.Name)
		}
	}
}

// TestDigestTellsApart: neighbours do not run into each other, and a value is
// told from what looks like it.
func TestDigestTellsApart(t *testing.T) {
	claims := func(v any) Identity { return Identity{Claims: map[string]any{"c": v}} }
	for name, pair := range map[string][2]Identity{
		"the border of two fields":   {{Source: "ab", Issuer: "c"}, {Source: "a", Issuer: "bc"}},
		"the border of two groups":   {{Groups: []string{"ab"}}, {Groups: []string{"a", "b"}}},
		"groups and methods":         {{Groups: []string{"a"}}, {AMR: []string{"a"}}},
		"text and number":            {claims("1"), claims(json.Number("1"))},
		"text and truth":             {claims("true"), claims(true)},
		"null and text":              {claims(nil), claims("<nil>")},
		"null and absent":            {claims(nil), {Claims: map[string]any{}}},
		"list and its only element":  {claims([]any{"a"}), claims("a")},
		"nesting":                    {claims([]any{"a", []any{"b"}}), claims([]any{[]any{"a"}, "b"})},
		"an object and a list of it": {claims(map[string]any{"a": "b"}), claims([]any{"a", "b"})},
	} {
		if NewIdentity(pair[0]).Digest == NewIdentity(pair[1]).Digest {
			t.Errorf("%s: one digest", name)
		}
	}
	a, b := claims(map[string]any{"x": "1", "y": "2"}), claims(map[string]any{"y": "2", "x": "1"})
	if NewIdentity(a).Digest != NewIdentity(b).Digest {
		t.Error("the order of members counts")
	}
}
