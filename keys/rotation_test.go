package keys_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"privyseal/keys"
)

// timeline is a ring on a clock that a test moves. Every step checks what holds
// at all times.
type timeline struct {
	*testing.T
	ring  *keys.Ring
	now   time.Time
	names map[string]string // of keys by kid, to read failures by
	log   bytes.Buffer
}

func newTimeline(t *testing.T, named map[string]*keys.Key) *timeline {
	l := &timeline{T: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), names: map[string]string{}}
	for name, k := range named {
		l.names[k.KeyID()] = name
	}
	l.ring = keys.NewRing(keys.RingOptions{
		Now:    func() time.Time { return l.now },
		Logger: slog.New(slog.NewTextHandler(&l.log, nil)),
	})
	return l
}

func (l *timeline) use(r keys.Rotation, text ...[]byte) {
	l.Helper()
	if err := l.ring.Use(parse(l.T, text...), r); err != nil {
		l.Fatal(err)
	}
}

// wait moves the clock and lets the ring advance at the moment it asks for, as
// its owner does.
func (l *timeline) wait(d time.Duration) {
	end := l.now.Add(d)
	for at := l.ring.NextChange(); !at.IsZero() && !at.After(end); at = l.ring.NextChange() {
		l.now = at
		l.ring.Advance()
	}
	l.now = end
	l.ring.Advance()
}

// want compares the key set with names and states, such as "b:signing a:retired",
// and checks that the signing key signs and is published.
func (l *timeline) want(what string) {
	l.Helper()
	var got, served []string
	status := l.ring.Status()
	for _, k := range status.Keys {
		got = append(got, l.names[k.KeyID]+":"+string(k.State))
	}
	if text := strings.Join(got, " "); text != what {
		l.Errorf("after %s: %q, want %q", l.now.Format(time.TimeOnly), text, what)
	}
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(jwksOf(l.T, l.ring), &set); err != nil {
		l.Fatal(err)
	}
	for _, k := range set.Keys {
		served = append(served, k.Kid)
	}
	_, kid, err := l.ring.Sign(l.Context(), nil)
	if err != nil || !slices.Contains(served, kid) || !l.ring.Has(kid) {
		l.Errorf("signed with %q, %v, published are %q", kid, err, served)
	}
	if len(served) != len(status.Keys) {
		l.Errorf("%d keys served, %d in the status", len(served), len(status.Keys))
	}
}

func (l *timeline) wantMissing(want time.Duration) {
	l.Helper()
	if got := l.ring.Status().MissingPublication; got != want {
		l.Errorf("publication missing: %v, want %v", got, want)
	}
}

// logged returns what was logged since the last call.
func (l *timeline) logged() string {
	text := l.log.String()
	l.log.Reset()
	return text
}

func (l *timeline) wantLog(parts ...string) {
	l.Helper()
	text := l.logged()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			l.Errorf("log %q, want %q in it", text, part)
		}
	}
	if len(parts) == 0 && text != "" {
		l.Errorf("logged %q, want nothing", text)
	}
}

// abc are three keys and their texts.
func abc(t *testing.T) (*timeline, []byte, []byte, []byte) {
	a, b, c := newKey(t, "ES256"), newKey(t, "EdDSA"), newKey(t, "ES384")
	return newTimeline(t, map[string]*keys.Key{"a": a, "b": b, "c": c}), privateText(t, a), privateText(t, b), privateText(t, c)
}

var byDefault = keys.Rotation{}

var hold = keys.Rotation{HoldNew: true}

// The three edits of a rotation: add at the end, move to the front, remove.
func TestRotation(t *testing.T) {
	l, a, b, _ := abc(t)
	l.use(byDefault, a)
	l.want("a:signing")
	l.wantMissing(0)

	l.wait(time.Hour)
	l.use(byDefault, a, b)
	l.want("a:signing b:next")

	l.wait(15 * time.Minute)
	l.logged()
	l.use(byDefault, b, a)
	l.want("b:signing a:retired")
	l.wantMissing(0)
	l.wantLog("signing key in use")

	l.wait(time.Minute)
	l.use(byDefault, b)
	l.want("b:signing a:retired")
	l.wantLog("key retired", "published_until=2026-03-01T13:26:00Z")

	l.wait(10*time.Minute - time.Second) // 5m ttl and 6m after the last signature
	l.want("b:signing a:retired")
	l.wait(time.Second)
	l.want("b:signing")
	l.wantLog("key left the key set")
}

// A key that takes over too early signs, but loudly, and only as long as it
// matters.
func TestEarlyKeyIsReported(t *testing.T) {
	l, a, b, _ := abc(t)
	l.use(byDefault, a)
	l.use(byDefault, a, b)
	l.wait(5 * time.Minute)
	l.logged()
	l.use(byDefault, b, a)
	l.want("b:signing a:retired")
	l.wantMissing(10 * time.Minute)
	l.wantLog("level=WARN", "missing=10m0s", "publish_before=15m0s")
	l.use(byDefault, b, a)
	l.wantMissing(10 * time.Minute)
	l.wantLog()
	l.wait(10*time.Minute - time.Second)
	l.wantMissing(10 * time.Minute)
	l.wait(time.Second)
	l.wantMissing(0)
}

func TestFirstStartSignsAtOnce(t *testing.T) {
	for _, r := range []keys.Rotation{byDefault, hold} {
		l, a, b, _ := abc(t)
		l.use(r, a, b)
		l.want("a:signing b:next")
		l.wantMissing(0)
		if status := l.ring.Status(); status.HeldKey != "" || strings.Contains(l.logged(), "WARN") {
			t.Errorf("%+v", status)
		}
	}
}

func TestHeldKeyWaits(t *testing.T) {
	l, a, b, _ := abc(t)
	l.use(hold, a)
	l.wait(time.Hour)
	l.logged()
	l.use(hold, b, a)
	l.want("b:next a:signing")
	l.wantLog("level=INFO", "waits until", "until=2026-03-01T13:15:00Z")
	status := l.ring.Status()
	if l.names[status.HeldKey] != "b" || !status.HeldUntil.Equal(l.now.Add(15*time.Minute)) || !l.ring.NextChange().Equal(status.HeldUntil) {
		t.Errorf("%+v", status)
	}
	l.use(hold, b, a) // a reload is no new wait
	l.wantLog()

	l.wait(15*time.Minute - time.Second)
	l.want("b:next a:signing")
	l.wait(time.Second)
	l.want("b:signing a:retired")
	l.wantMissing(0)
	if status := l.ring.Status(); status.HeldKey != "" || !status.HeldUntil.IsZero() || !l.ring.NextChange().IsZero() {
		t.Errorf("%+v", status)
	}
}

// With hold_new_key the key that signs goes on signing from memory when it is
// removed together with the arrival of its successor; its retirement begins
// when it stops, not when it left the file.
func TestHeldKeyWaitsForARemovedOne(t *testing.T) {
	for name, behind := range map[string]func(*timeline, []byte) []byte{
		"removed":     func(*timeline, []byte) []byte { return nil },
		"public half": func(l *timeline, a []byte) []byte { return publicText(l.T, parse(l.T, a).Keys()[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			l, a, b, _ := abc(t)
			l.use(hold, a)
			l.wait(time.Hour)
			l.logged()
			l.use(hold, b, behind(l, a))
			l.want("b:next a:signing")
			if name == "removed" {
				l.wantLog("level=WARN", "no longer configured", "a restart")
			}
			l.wait(15 * time.Minute)
			l.want("b:signing a:retired")
			l.use(hold, b)
			l.wait(11*time.Minute - time.Second)
			l.want("b:signing a:retired")
			l.wait(time.Second)
			l.want("b:signing")
		})
	}
}

// Whatever the operator edits while a key is held, the rules are the same.
func TestEditsWhileAKeyIsHeld(t *testing.T) {
	start := func(t *testing.T) (l *timeline, a, b, c []byte) {
		l, a, b, c = abc(t)
		l.use(hold, a)
		l.wait(time.Hour)
		l.use(hold, b)
		l.wait(10 * time.Minute)
		l.want("b:next a:signing")
		return l, a, b, c
	}
	t.Run("back to the old key", func(t *testing.T) {
		l, a, _, _ := start(t)
		l.use(hold, a)
		l.want("a:signing") // b has not signed, nobody needs it
		l.wait(time.Hour)
		l.want("a:signing")
	})
	t.Run("no more hold", func(t *testing.T) {
		l, _, b, _ := start(t)
		l.use(byDefault, b)
		l.want("b:signing a:retired")
		l.wantMissing(5 * time.Minute)
	})
	t.Run("yet another key", func(t *testing.T) {
		l, _, b, c := start(t)
		l.use(hold, c, b)
		l.want("c:next b:next a:signing")
		l.wait(5 * time.Minute) // b would be due, but is not first
		l.want("c:next b:next a:signing")
		l.wait(10 * time.Minute)
		l.want("c:signing b:next a:retired")
	})
	t.Run("a key that is long published", func(t *testing.T) {
		l, a, b, c := start(t)
		l.use(hold, b, a, c)
		l.wait(5 * time.Minute)
		l.want("b:signing a:retired c:next")
		l.wait(10 * time.Minute)
		l.use(hold, c, b, a)
		l.want("c:signing b:retired a:retired")
	})
}

// A key that comes back is itself again, with the publication it has behind it
// if it was published all the time.
func TestKeyComesBack(t *testing.T) {
	l, a, b, _ := abc(t)
	l.use(byDefault, a)
	l.wait(time.Hour)
	l.use(byDefault, b)
	l.wait(5 * time.Minute)
	l.want("b:signing a:retired")
	l.use(byDefault, a)
	l.want("a:signing b:retired")
	l.wantMissing(0)

	l.wait(time.Hour)
	l.want("a:signing")
	l.use(byDefault, b) // it left in the meantime: it is new
	l.wantMissing(15 * time.Minute)
}

// What a key may have signed decides how long it stays: the longest life of an
// assertion at that time, not the one that is configured later.
func TestRetirementFollowsTheOldTTL(t *testing.T) {
	for _, c := range []struct{ old, new, want time.Duration }{
		{10 * time.Minute, time.Minute, 16 * time.Minute},
		{time.Minute, 10 * time.Minute, 16 * time.Minute}, // requests of the moment of the reload
		{time.Minute, time.Minute, 7 * time.Minute},
	} {
		l, a, b, _ := abc(t)
		l.use(keys.Rotation{MaxTTL: c.old}, a)
		l.wait(time.Hour)
		l.use(keys.Rotation{MaxTTL: c.new}, b)
		at := l.now
		if got := l.ring.Status().Keys[1].RemoveAt.Sub(at); got != c.want {
			t.Errorf("ttl %v, then %v: stays %v, want %v", c.old, c.new, got, c.want)
		}
	}
	t.Run("requests under the old ttl meet the new key", func(t *testing.T) {
		l, a, b, c := abc(t)
		l.use(keys.Rotation{MaxTTL: 10 * time.Minute}, a)
		l.use(keys.Rotation{MaxTTL: time.Minute}, b)
		l.use(keys.Rotation{MaxTTL: time.Minute}, c)
		if got := l.ring.Status().Keys[1]; l.names[got.KeyID] != "b" || got.RemoveAt.Sub(l.now) != 16*time.Minute {
			t.Errorf("%+v, want b for 16m", got)
		}
	})
	t.Run("the ttl became shorter earlier", func(t *testing.T) {
		l, a, b, _ := abc(t)
		l.use(keys.Rotation{MaxTTL: 10 * time.Minute}, a)
		l.use(keys.Rotation{MaxTTL: time.Minute}, a)
		l.wait(2 * time.Minute)
		l.use(keys.Rotation{MaxTTL: time.Minute}, b)
		if got := l.ring.Status().Keys[1].RemoveAt.Sub(l.now); got != 14*time.Minute {
			t.Errorf("stays %v, want 14m", got)
		}
	})
}

func TestPublicKeysNeverSign(t *testing.T) {
	l, a, b, c := abc(t)
	half := publicText(t, parse(t, b).Keys()[0])
	l.use(byDefault, a, half)
	l.want("a:signing b:published-only")
	l.wait(time.Hour)
	l.use(hold, c, half)
	l.want("c:next b:published-only a:signing")
	l.use(hold, a)
	l.want("a:signing")
}

func TestStatusTimes(t *testing.T) {
	l, a, b, _ := abc(t)
	t0 := l.now
	l.use(byDefault, a)
	l.wait(time.Hour)
	l.use(byDefault, a, b)
	l.wait(time.Hour)
	l.use(byDefault, b)
	got := l.ring.Status().Keys
	want := []keys.KeyStatus{
		{KeyID: got[0].KeyID, Algorithm: "EdDSA", State: keys.StateSigning, PublishedAt: t0.Add(time.Hour), SigningSince: t0.Add(2 * time.Hour)},
		{KeyID: got[1].KeyID, Algorithm: "ES256", State: keys.StateRetired, PublishedAt: t0, SigningSince: t0, RemoveAt: t0.Add(2*time.Hour + 11*time.Minute)},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// An advance that comes late, or not at all, leaves keys published for longer.
func TestLateAdvance(t *testing.T) {
	l, a, b, _ := abc(t)
	l.use(hold, a)
	l.wait(time.Hour)
	l.use(hold, b)
	l.now = l.now.Add(24 * time.Hour)
	l.want("b:next a:signing")
	l.ring.Advance()
	l.want("b:signing a:retired")
	if got := l.ring.Status().Keys[1].RemoveAt.Sub(l.now); got != 11*time.Minute {
		t.Errorf("stays %v after its last signature, want 11m", got)
	}
}

// An error of Use leaves everything as it was.
func TestBadUseChangesNothing(t *testing.T) {
	l, a, b, _ := abc(t)
	l.use(byDefault, a)
	before := string(jwksOf(t, l.ring))
	l.logged()
	for name, use := range map[string]func() error{
		"no set":        func() error { return l.ring.Use(nil, byDefault) },
		"an empty set":  func() error { return l.ring.Use(&keys.Set{}, byDefault) },
		"negative":      func() error { return l.ring.Use(parse(t, b), keys.Rotation{PublishBefore: -1}) },
		"too long":      func() error { return l.ring.Use(parse(t, b), keys.Rotation{PublishBefore: 721 * time.Hour}) },
		"negative ttl":  func() error { return l.ring.Use(parse(t, b), keys.Rotation{MaxTTL: -1}) },
		"ephemeral key": l.ring.UseEphemeral,
	} {
		if err := use(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := string(jwksOf(t, l.ring)); got != before {
		t.Errorf("key set %s, was %s", got, before)
	}
	l.want("a:signing")
	l.wantLog()
	err := l.ring.Use(parse(t, b), keys.Rotation{PublishBefore: -1})
	if option, ok := err.(interface{ OptionPath() string }); !ok || option.OptionPath() != "publish_before" {
		t.Errorf("%v names no option", err)
	}
}

// Somebody who replaces the key again and again cannot make the key set grow
// without bound.
func TestPublishedKeysAreBounded(t *testing.T) {
	ring := keys.NewRing(keys.RingOptions{})
	var err error
	n := 0
	for ; n < 150 && err == nil; n++ {
		err = ring.Use(setOf(t, newKey(t, "EdDSA")), byDefault)
	}
	if err == nil || !strings.Contains(err.Error(), "101 keys would be published") || len(ring.Status().Keys) != 100 {
		t.Errorf("after %d keys: %v, %d published", n, err, len(ring.Status().Keys))
	}
}

// Without a configured key a key of the process signs, and nobody can find it.
func TestEphemeralKey(t *testing.T) {
	l, a, _, _ := abc(t)
	use := func() {
		t.Helper()
		if err := l.ring.UseEphemeral(); err != nil {
			t.Fatal(err)
		}
	}
	use()
	kid := l.ring.KeyID()
	l.wantLog("level=WARN", kid, `public_key="LS0tLS1CRUdJTiBQVUJMSUMgS0VZ`, "no verifier can find it")
	use()
	l.wantLog()
	l.wait(time.Hour)
	if token, signed, err := l.ring.Sign(t.Context(), nil); err != nil || signed != kid || token == "" {
		t.Errorf("signed with %s, %v, want %s", signed, err, kid)
	}
	if got := string(jwksOf(t, l.ring)); got != `{"keys":[]}` {
		t.Error(got)
	}
	if s := l.ring.Status(); !s.Ephemeral || len(s.Keys) != 1 || s.Keys[0].State != keys.StateSigning || !s.Keys[0].PublishedAt.IsZero() || !l.ring.Has(kid) {
		t.Errorf("%+v", s)
	}

	l.use(hold, a) // waiting would help nobody: nobody verifies the ephemeral key
	l.want("a:signing")
	l.wantMissing(15 * time.Minute)
	if l.ring.Has(kid) || l.ring.Status().Ephemeral {
		t.Error("the ephemeral key is still there")
	}
	if err := l.ring.UseEphemeral(); err == nil || l.ring.KeyID() == kid {
		t.Errorf("configured keys became an ephemeral one: %v", err)
	}
}

func TestSampleKeyIsWarnedOf(t *testing.T) {
	l, a, _, _ := abc(t)
	set, err := keys.Parse([]byte(sample), keys.ParseOptions{AllowSample: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]string{{"level=WARN", "everybody can sign"}, nil} {
		if err := l.ring.Use(set, byDefault); err != nil {
			t.Fatal(err)
		}
		l.wantLog(want...)
	}
	l.use(byDefault, a)
	if text := l.logged(); strings.Contains(text, "everybody") {
		t.Error(text)
	}
}
