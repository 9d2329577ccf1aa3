package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"privyseal/keys"
)

var update = flag.Bool("update", false, "write the golden files")

// noon is when all timelines here are looked at.
var noon = time.Date(2026, 1, 4, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// kidOf makes a kid of 64 digits that begins with a text.
func kidOf(start string) string { return start + strings.Repeat("0", 64-len(start)) }

// healthy is a keyring of the default schedule, three days into the life of its
// second key.
func healthy() keys.Status {
	return keys.Status{
		JWKSDigest: kidOf("d1e5"),
		Keys: []keys.KeyStatus{
			{KeyID: kidOf("bbbb"), Algorithm: "ES256", State: keys.StateSigning, PublishedAt: noon.Add(-10 * day), SigningSince: noon.Add(-3 * day)},
			{KeyID: kidOf("cccc"), Algorithm: "ES256", State: keys.StateNext, PublishedAt: noon.Add(-3 * day), ActivateAt: noon.Add(4 * day)},
		},
		Store: &keys.StoreStatus{
			Ring: kidOf("")[:32], Generation: 12, CompleteUntil: noon.Add(11 * day),
			Confirmed: noon.Add(-12 * time.Second), PublishUntil: noon.Add(11*day - 26*time.Hour), Skew: 200 * time.Millisecond,
		},
	}
}

// justRotated is the same keyring a minute after its key has changed.
func justRotated() keys.Status {
	s := healthy()
	s.JWKSDigest = kidOf("d2e5")
	s.Keys = []keys.KeyStatus{
		{KeyID: kidOf("cccc"), Algorithm: "ES256", State: keys.StateSigning, PublishedAt: noon.Add(-7 * day), SigningSince: noon.Add(-time.Minute)},
		{KeyID: kidOf("dddd"), Algorithm: "ES256", State: keys.StateNext, PublishedAt: noon.Add(-time.Minute), ActivateAt: noon.Add(7 * day)},
		{KeyID: kidOf("bbbb"), Algorithm: "ES256", State: keys.StateRetired, PublishedAt: noon.Add(-14 * day), SigningSince: noon.Add(-7 * day), RemoveAt: noon.Add(16 * time.Minute)},
	}
	s.Store.Generation, s.Store.CompleteUntil = 13, noon.Add(14*day)
	return s
}

// configured are keys of signing_key: one that has come too early, and the two
// around it.
func configured() keys.Status {
	return keys.Status{
		JWKSDigest: kidOf("d3e5"), MissingPublication: 10 * time.Minute,
		Keys: []keys.KeyStatus{
			{KeyID: kidOf("bbbb"), Algorithm: "EdDSA", State: keys.StateSigning, PublishedAt: noon.Add(-7 * time.Minute), SigningSince: noon.Add(-2 * time.Minute)},
			{KeyID: kidOf("cccc"), Algorithm: "ES256", State: keys.StateNext, PublishedAt: noon.Add(-2 * time.Minute)},
			{KeyID: kidOf("eeee"), Algorithm: "ES384", State: keys.StatePublishedOnly, PublishedAt: noon.Add(-2 * time.Minute)},
			{KeyID: kidOf("aaaa"), Algorithm: "ES256", State: keys.StateRetired, PublishedAt: noon.Add(-day), SigningSince: noon.Add(-day)},
			{KeyID: kidOf("9999"), Algorithm: "ES256", State: keys.StateRetired, PublishedAt: noon.Add(-day), SigningSince: noon.Add(-day), RemoveAt: noon.Add(4 * time.Minute)},
		},
	}
}

// answered is a replica with a status and a good clock.
func answered(admin string, s keys.Status, unfit string) replica {
	return replica{Admin: "http://" + admin + ":9090", Reached: true, InService: unfit == "", Unfit: unfit, Now: noon, Status: &s}
}

// changed is a status after a change.
func changed(s keys.Status, change func(*keys.Status)) keys.Status {
	change(&s)
	return s
}

// TestStatusText: what operators read, in testdata/timeline. No line is wider
// than a terminal, but for what others say.
func TestStatusText(t *testing.T) {
	cases := map[string]keysReport{
		"healthy":  {Replicas: []replica{answered("a", healthy(), ""), answered("b", healthy(), "")}, publishBefore: 26 * time.Hour},
		"rotated":  {Replicas: []replica{answered("a", justRotated(), "")}, publishBefore: 26 * time.Hour},
		"disagree": {Replicas: []replica{answered("a", healthy(), ""), answered("b", justRotated(), ""), answered("c", configured(), "")}},
		"overdue": {Replicas: []replica{answered("a", changed(healthy(), func(s *keys.Status) {
			s.Keys[1].ActivateAt = noon.Add(-2 * time.Hour)
			s.Store.Skew, s.Store.LastError = -3*time.Minute, "this clock and the store's differ by more than 1m0s"
		}), "")}},
		"without_next": {Replicas: []replica{answered("a", changed(healthy(), func(s *keys.Status) { s.Keys = s.Keys[:1] }), "")}},
		"out_of_service": {Replicas: []replica{
			answered("a", keys.Status{Store: &keys.StoreStatus{Errors: 4, LastError: "reading the keyring: connection refused\x1b[2J"}}, "no signing keys are loaded yet"),
			{Admin: "http://b:9090", Error: "connection refused"},
		}},
		"configured": {Replicas: []replica{answered("a", configured(), "")}},
		"held": {Replicas: []replica{answered("a", keys.Status{
			JWKSDigest: kidOf("d4e5"), HeldKey: kidOf("cccc"), HeldUntil: noon.Add(13 * time.Minute),
			Keys: []keys.KeyStatus{
				{KeyID: kidOf("cccc"), Algorithm: "ES256", State: keys.StateNext, PublishedAt: noon.Add(-2 * time.Minute)},
				{KeyID: kidOf("bbbb"), Algorithm: "ES256", State: keys.StateSigning, PublishedAt: noon.Add(-day), SigningSince: noon.Add(-day)},
			}}, "")}, publishBefore: 15 * time.Minute},
		"ephemeral": {Replicas: []replica{answered("a", keys.Status{
			JWKSDigest: kidOf("e0e0"), Ephemeral: true,
			Keys: []keys.KeyStatus{{KeyID: kidOf("ffff"), Algorithm: "ES256", State: keys.StateSigning, SigningSince: noon.Add(-day)}},
		}, "")}},
	}
	for name, r := range cases {
		t.Run(name, func(t *testing.T) {
			r.now = noon
			r.Problems = r.problems()
			r.OK = len(r.Problems) == 0
			var out bytes.Buffer
			if err := r.write(&out); err != nil {
				t.Fatal(err)
			}
			golden(t, name, out.Bytes())
		})
	}
}

// TestRotationPlans: what is told before and after a rotation out of turn.
func TestRotationPlans(t *testing.T) {
	for _, mode := range []keys.Mode{keys.ModePlanned, keys.ModeAvailability, keys.ModePurge} {
		before := timeline{healthy(), 26 * time.Hour, noon}
		after := timeline{justRotated(), 26 * time.Hour, noon}
		text := strings.Join(append(before.plan(mode), after.next(mode)...), "\n") + "\n"
		golden(t, "plan_"+string(mode), []byte(text))
	}
	again := timeline{justRotated(), 26 * time.Hour, noon}.plan(keys.ModeAvailability)
	golden(t, "plan_again", []byte(strings.Join(again, "\n")+"\n"))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "timeline", name+".txt")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for line := range strings.Lines(string(got)) {
		if utf8.RuneCountInString(line) > 81 && !strings.HasPrefix(line, "problem: ") {
			t.Errorf("wider than 80 columns: %q", line)
		}
	}
}

// TestHostileServer: nothing that a server says controls the terminal.
func TestHostileServer(t *testing.T) {
	const evil = "\x1b[2J\u202e\r\n"
	s := healthy()
	s.JWKSDigest = evil
	s.Keys = []keys.KeyStatus{{KeyID: evil, Algorithm: evil, State: evil}, {KeyID: evil, State: keys.StateSigning}, {State: keys.StateRetired, RemoveAt: time.Unix(1<<60, 0)}}
	s.Store.LastError, s.Store.CompleteUntil = evil, time.Unix(1<<55, 0)
	r := keysReport{Replicas: []replica{answered("a", s, evil), answered(evil, healthy(), "")}, now: noon}
	r.Problems = r.problems()
	var out bytes.Buffer
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\r\u202e") {
		t.Errorf("%q", out.String())
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:             "0s",
		999 * time.Millisecond:   "less than 1s",
		90 * time.Second:         "1m 30s",
		time.Hour:                "1h",
		3*day + 4*time.Hour + 59: "3d 4h",
		7 * day:                  "7d",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
