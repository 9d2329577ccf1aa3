package authz

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"testing"
	"unicode/utf8"
)

// FuzzValue: what we write, encoding/json reads back as what it was.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{`"a"`, `{"a":[1,2.5,null,true,{"b":"\u0000\"\\<é"}]}`, `[]`, `-0.0e10`, `"\ud83d\ude00"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		var v any
		if decoder.Decode(&v) != nil {
			return
		}
		written, err := appendValue(nil, v, 0)
		if err != nil {
			return
		}
		decoder = json.NewDecoder(bytes.NewReader(written))
		decoder.UseNumber()
		var again any
		if err := decoder.Decode(&again); err != nil || !reflect.DeepEqual(v, again) {
			t.Fatalf("%s became %s (%v)", text, written, err)
		}
	})
}

func FuzzString(f *testing.F) {
	f.Add("a\x00\x1f\"\\\x7f\u2028é")
	f.Fuzz(func(t *testing.T, s string) {
		written, err := appendString(nil, s)
		if (err == nil) != utf8.ValidString(s) {
			t.Fatalf("%q: %v", s, err)
		}
		var again string
		if err == nil && (json.Unmarshal(written, &again) != nil || again != s) {
			t.Fatalf("%q became %s", s, written)
		}
	})
}

// TestValuesAreWrittenOneWay: members sorted, numbers as they came, nothing that
// two parsers could read differently.
func TestValuesAreWrittenOneWay(t *testing.T) {
	for want, v := range map[string]any{
		`null`: nil, `true`: true, `-7`: int64(-7), `7`: 7, `1683061093`: json.Number("1683061093"), `1.50`: json.Number("1.50"),
		`[]`: []any{}, `["a","b"]`: []string{"a", "b"}, `{}`: map[string]any{},
		`{"a":1,"b":[null,{"c":"d"}]}`: map[string]any{"b": []any{nil, map[string]any{"c": "d"}}, "a": 1},
		`"\u0000\u001f\u007f\"\\</é"`:  "\x00\x1f\x7f\"\\</é",
	} {
		if got, err := appendValue(nil, v, 0); string(got) != want || err != nil {
			t.Errorf("%#v is %s, %v", v, got, err)
		}
	}
}

// TestNumbersAreNumbers: json.Number is a string, and whoever fills it may be
// wrong. It must never bring structure into the assertion.
func TestNumbersAreNumbers(t *testing.T) {
	for _, s := range []string{
		"", " ", "1 ", " 1", "1\n", "\t1", "01", "+1", "1.", ".5", "-", "1e", "0x1", "NaN", "Infinity", "1,2", `1,"admin":true`,
		`{"admin":true}`, "[1]", `"1"`, "true", "null", "1}", "-{}", "1\x00",
	} {
		if got, err := appendValue(nil, json.Number(s), 0); err == nil {
			t.Errorf("%q is written as %s", s, got)
		}
	}
	for _, s := range []string{"0", "-0", "1", "-1.5", "1e400", "1E-7", "123456789012345678901234567890"} {
		if got, err := appendValue(nil, json.Number(s), 0); err != nil || string(got) != s {
			t.Errorf("%q is %s, %v", s, got, err)
		}
	}
}

// TestDepthAndWidthAreBounded, at the bound and one beyond it.
func TestDepthAndWidthAreBounded(t *testing.T) {
	nested := func(depth int, wrap func(any) any) (v any) {
		v = "x"
		for range depth {
			v = wrap(v)
		}
		return v
	}
	for name, wrap := range map[string]func(any) any{
		"lists": func(v any) any { return []any{v} }, "objects": func(v any) any { return map[string]any{"a": v} },
	} {
		if _, err := appendValue(nil, nested(maxClaimDepth, wrap), 0); err != nil {
			t.Errorf("%d %s: %v", maxClaimDepth, name, err)
		}
		if _, err := appendValue(nil, nested(maxClaimDepth+1, wrap), 0); err == nil {
			t.Errorf("%d %s are written", maxClaimDepth+1, name)
		}
	}
	wide := map[string]any{}
	for i := range maxClaimElements {
		wide[strconv.Itoa(i)] = nil
	}
	if _, err := appendValue(nil, wide, 0); err != nil {
		t.Errorf("%d members: %v", len(wide), err)
	}
	wide["one more"] = nil
	if _, err := appendValue(nil, wide, 0); err == nil {
		t.Errorf("%d members are written", len(wide))
	}
}

func TestNamesAndElementsMustBeUTF8(t *testing.T) {
	for name, v := range map[string]any{
		"name": map[string]any{"\xff": 1}, "member": map[string]any{"a": "\xff"}, "element": []any{"\xff"}, "list": []string{"\xff"},
	} {
		if got, err := appendValue(nil, v, 0); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}
