package authz

import (
	"bytes"
	"encoding/json"
	"reflect"
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
