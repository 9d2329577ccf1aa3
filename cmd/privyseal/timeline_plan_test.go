package main

import (
	"strings"
	"testing"
	"time"

	"privyseal/keys"
)

// TestRefusal: a rotation that would make verifiers refuse assertions is no
// planned one, and one without a key to take over is no rotation.
func TestRefusal(t *testing.T) {
	withoutNext := changed(healthy(), func(s *keys.Status) { s.Keys = s.Keys[:1] })
	soon := changed(healthy(), func(s *keys.Status) { s.Keys[1].ActivateAt = noon.Add(4 * time.Minute) })
	due := changed(healthy(), func(s *keys.Status) { s.Keys[1].ActivateAt = noon })
	cases := map[string]struct {
		status keys.Status
		mode   keys.Mode
		want   string
	}{
		"planned":                   {healthy(), keys.ModePlanned, ""},
		"planned, fresh next key":   {justRotated(), keys.ModePlanned, "not been published for long enough"},
		"planned, without next key": {withoutNext, keys.ModePlanned, "no next key"},
		"planned, about to sign":    {soon, keys.ModePlanned, "signs anyway"},
		"already signs":             {due, keys.ModeAvailability, "has begun to sign"},
		"already signs, purge":      {due, keys.ModePurge, ""},
		"fresh next key":            {justRotated(), keys.ModeAvailability, ""},
		"about to sign":             {soon, keys.ModeAvailability, ""},
		"without next key":          {withoutNext, keys.ModeAvailability, "no next key"},
		"purge without next key":    {withoutNext, keys.ModePurge, ""},
	}
	for name, c := range cases {
		got := timeline{c.status, 26 * time.Hour, noon}.refusal(c.mode)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q in it", name, got, c.want)
		}
	}
}

// TestAfterImport: replicas that have not gone over publish no next key, so there
// is a last moment for it.
func TestAfterImport(t *testing.T) {
	for publishBefore, want := range map[time.Duration]string{
		26 * time.Hour: "Be done by Wed 7 Jan 10:00 UTC (in 2d 22h):",
		7 * day:        "Be done at once:",
	} {
		text := strings.Join(timeline{healthy(), publishBefore, noon}.afterImport(), "\n")
		if !strings.Contains(text, want) {
			t.Errorf("%s\nwant %q in it", text, want)
		}
	}
}
