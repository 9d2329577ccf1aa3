package main

import (
	"strings"
	"testing"

	"privyseal/keys"
)

// TestFindKey: a prefix stands for one key that does not sign, or for none.
func TestFindKey(t *testing.T) {
	d := keys.Document{Keys: []keys.DocumentKey{
		{KeyID: kidOf("aaaaaaaa1"), State: keys.StateSigning},
		{KeyID: kidOf("bbbbbbbb1"), State: keys.StateNext},
		{KeyID: kidOf("bbbbbbbb2"), State: keys.StateRetired},
	}}
	for prefix, want := range map[string]string{
		"bbbbbbbb1":        "",
		kidOf("bbbbbbbb2"): "",
		"bbbbbbbb":         "more than one key",
		"aaaaaaaa":         "signs",
		"hunter2hunter2":   "no key",
		"BBBBBBBB1":        "no key",
	} {
		found, err := findKey(d, prefix)
		switch {
		case want == "" && (err != nil || !strings.HasPrefix(found.KeyID, prefix)):
			t.Errorf("%s: %v, %v", prefix, found.KeyID, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v, want %q", prefix, err, want)
		}
	}
}
