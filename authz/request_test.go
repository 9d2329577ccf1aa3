package authz

import (
	"errors"
	"testing"
)

func TestSingleValue(t *testing.T) {
	h := HeaderMap{"one": {"a"}, "empty": {""}, "two": {"a", "b"}, "same": {"a", "a"}}
	for name, want := range map[string]string{"one": "a", "empty": "", "none": ""} {
		if got, err := SingleValue(h, name); got != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"two", "same"} {
		var denial *Denial
		if _, err := SingleValue(h, name); !errors.As(err, &denial) || denial.Reason != MalformedRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNobodySaidAnything: absent facts are absent, not errors.
func TestNobodySaidAnything(t *testing.T) {
	var facts Facts = NoFacts{}
	metadata, err := facts.Metadata("x")
	principal, leaf, peerErr := facts.Peer()
	if facts.Extension("audience") != "" || metadata != nil || err != nil || principal != "" || leaf != nil || peerErr != nil {
		t.Error("something was said")
	}
}
