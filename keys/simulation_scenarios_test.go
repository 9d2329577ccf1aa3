package keys

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

// fiveWeeks is everything that happens to a service: partitions for hours and
// weeks, a store that is down for a day, restarts, a new replica, a backup that
// is restored and a document that vanishes. All of it around rotations, which
// are on days 7, 14, 21, 28 and 35.
func fiveWeeks(s *simulation) {
	s.poll, s.every = 4, 4*time.Minute // news is slower than in life
	s.cut(3*day, 16*day, 1)
	s.cut(6*day+12*time.Hour, 7*day+12*time.Hour, 0, 2, 3)
	s.cut(14*day-3*time.Hour, 14*day+3*time.Hour, 2)
	s.cut(21*day-2*time.Minute, 21*day+5*time.Hour, 3)
	s.cut(23*day, 33*day, 3)
	s.cut(28*day-time.Hour, 28*day+time.Minute, 0)
	for i := range 4 {
		s.at(20*day+time.Duration(i)*2*time.Minute, func() { s.replicas[i].start() })
	}
	s.at(10*day, func() { s.replicas[0].start() })
	s.at(11*day, func() { s.replicas[2].start() })
	s.at(31*day, func() { s.replicas[3].start() }) // which cannot read the store
	s.at(15*day+12*time.Hour, func() { s.rollback(2) })
	s.at(26*day, func() { s.addReplica() })
	s.at(29*day, func() { s.store.replace(nil) })
	s.at(30*day, func() { s.rollback(1) })
	for _, at := range []time.Duration{7 * day, 14*day - 26*time.Hour, 14 * day, 28*day - 26*time.Hour, 28 * day} {
		s.rush(at) // when keys begin to sign, and when replicas without news leave service
	}
	for i := range 3 { // and some that nobody has planned
		from := s.between(0, 30*day)
		s.cut(from, from+s.between(0, 2*day), 1+i)
	}
}

// With the default schedule no verifier in common use refuses an assertion,
// whatever happens to replicas and their store.
func TestSimulator(t *testing.T) {
	seeds, length := 2, 36*day
	if raceEnabled {
		seeds, length = 1, 3*day
		t.Log("under the race detector: 1 run of 3 days instead of 2 of 36; it has one goroutine")
	}
	for seed := range uint64(seeds) {
		s := newSimulation(t, seed, 4)
		fiveWeeks(s)
		s.run(length)
		s.wantOneDocument()
		t.Logf("run %d: %d assertions, %d verifications, %d failed, %d documents", seed, s.signed, s.checked(), s.failed(), len(s.store.written))
		t.Log(s.table())
		if s.failed() > 0 || s.refused > 0 || s.unanswered > 0 || s.unpublished > 0 {
			t.Errorf("run %d: %d verifications failed, %d signatures were refused, %d requests found nobody, %d key sets were not given out",
				seed, s.failed(), s.refused, s.unanswered, s.unpublished)
		}
	}
}

// The simulator finds what is wrong with a schedule, or with not asking for
// health.
func TestSimulatorFindsFaults(t *testing.T) {
	skipUnderRace(t)
	for name, test := range map[string]struct {
		spoil func(*simulation)
		run   time.Duration
		fail  []string // verifiers that have to fail, among others
	}{
		"a new key signs at once": {
			spoil: func(s *simulation) {
				s.at(2*day, func() { s.operate(signAtOnce) })
				s.rush(2 * day)
			},
			run:  3*day + 2*time.Hour,
			fail: []string{"Envoy jwt_authn", "Istio", "jwx jwk.Cache", "OWIN", "static, 1 h", "keyfunc"},
		},
		"an old key leaves when it signs no longer": {
			spoil: func(s *simulation) {
				s.at(7*day+2*time.Minute, func() { s.operate(removeRetired) })
				s.rush(7 * day)
			},
			run:  7*day + time.Hour,
			fail: []string{"Apigee", "PyJWT", "nimbus", "Spring Security", "go-jwt-middleware"},
		},
		"nobody asks for health": {
			spoil: func(s *simulation) {
				s.noHealth = true
				s.cut(day, 60*day, 1)
			},
			run:  16 * day,
			fail: []string{"Envoy jwt_authn", "Apigee", "node jose", "nimbus"},
		},
		"a rotation is brought forward that a replica cannot have heard of": {
			spoil: func(s *simulation) {
				s.cut(6*day, 20*day, 1)
				s.at(8*day+3*time.Hour, func() { s.rotate(ModePlanned) })
			},
			run:  9 * day,
			fail: []string{"Envoy jwt_authn", "Istio", "OWIN"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSimulation(t, 1, 3)
			s.poll, s.every = 4, 10*time.Minute
			test.spoil(s)
			s.run(test.run)
			t.Log(s.table())
			for _, name := range test.fail {
				if s.of(name).failed == 0 {
					t.Errorf("%s has not failed", name)
				}
			}
		})
	}
}

// A rotation that is brought forward costs nothing, if all replicas in service
// have read of the next key.
func TestSimulatorPlannedRotation(t *testing.T) {
	skipUnderRace(t)
	s := newSimulation(t, 2, 3)
	s.every = 5 * time.Minute
	s.rush(2 * day)
	s.rush(4 * day)
	s.at(2*day, func() { s.rotate(ModePlanned) })
	s.at(4*day, func() { s.rotate(ModePlanned) })
	s.cut(4*day-time.Hour, 5*day, 1)
	s.run(6 * day)
	if s.failed() > 0 || s.refused > 0 {
		t.Errorf("%d of %d verifications failed, %d signatures were refused\n%s", s.failed(), s.checked(), s.refused, s.table())
	}
}

// What an emergency costs: for how long verifiers refuse good assertions, and
// for how long they take those of the lost key. With -v: the table of
// docs/keys.md.
func TestSimulatorEmergency(t *testing.T) {
	skipUnderRace(t)
	const length = 56 * time.Hour
	emergency := func(mode Mode) *simulation {
		s := newSimulation(t, 3, 3)
		s.every, s.late = 10*time.Minute, 0
		s.at(30*time.Hour, func() {
			s.every = time.Minute
			before := s.rotate(mode).Before
			s.lost = before.in(StateSigning).KeyID
		})
		s.rush(30 * time.Hour)
		s.run(length)
		return s
	}
	availability, purge := emergency(ModeAvailability), emergency(ModePurge)
	t.Log(emergencyTable(availability, purge, 30*time.Hour))

	// All replicas have heard of it after a poll and a half; caches have what
	// they had for 5 minutes.
	heard := began.Add(30*time.Hour + 90*time.Second + maxMaxAge)
	for _, s := range []*simulation{availability, purge} {
		if s.refused > 0 || s.unanswered > 0 {
			t.Errorf("%d signatures were refused, %d requests found nobody", s.refused, s.unanswered)
		}
	}
	for _, m := range verifierModels {
		if n := availability.of(m.name); n.last.After(heard) {
			t.Errorf("availability: %s refuses good assertions until %v", m.name, n.last.Sub(began))
		}
		n := purge.of(m.name)
		if until := heard.Add(m.keep); m.keep > 0 && n.last.After(later(until, heard.Add(m.cooldown))) {
			t.Errorf("purge: %s refuses good assertions until %v", m.name, n.last.Sub(began))
		}
		if n.trusted.After(heard.Add(m.cooldown)) && m.onMiss && !m.pins {
			t.Errorf("purge: %s takes the lost key until %v", m.name, n.trusted.Sub(began))
		}
	}
	if n := availability.of("go-oidc, Kubernetes, Vault"); n.trusted.Before(availability.now.Add(-time.Hour)) {
		t.Error("availability: go-oidc has dropped the lost key, which the documentation says it does not")
	}
	if n := purge.of("OWIN"); n.failed == 0 {
		t.Error("purge: OWIN has refused nothing, which the documentation says it does")
	}
}

func emergencyTable(availability, purge *simulation, from time.Duration) string {
	span := func(s *simulation, t time.Time) string {
		switch d := t.Sub(began.Add(from)).Round(time.Minute); {
		case t.IsZero() || d <= 0:
			return "-"
		case s.now.Sub(t) < 2*time.Minute:
			return "on and on"
		default:
			return strings.TrimSuffix(d.String(), "0s")
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-30s | %-33s | %-33s\n", "", "availability", "purge")
	fmt.Fprintf(&b, "%-30s | %-16s %-16s | %-16s %-16s\n", "verifier", "refuses good for", "takes lost for", "refuses good for", "takes lost for")
	for _, m := range verifierModels {
		a, p := availability.of(m.name), purge.of(m.name)
		fmt.Fprintf(&b, "%-30s | %-16s %-16s | %-16s %-16s\n", m.name,
			span(availability, a.last), span(availability, a.trusted), span(purge, p.last), span(purge, p.trusted))
	}
	return b.String()
}

func skipUnderRace(t *testing.T) {
	if raceEnabled {
		t.Skip("one goroutine in virtual time: the race detector has nothing to find, and needs minutes")
	}
}

// operator is a keeper on a machine of its own.
func (s *simulation) operator() *Keeper {
	clock := func() time.Time { return s.now }
	k, err := NewKeeper(KeeperOptions{Ring: NewRing(RingOptions{Now: clock}), Store: s.store, Wrapper: keyFile(s.t, "E"), Schedule: s.schedule, Now: clock})
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

func (s *simulation) rotate(mode Mode) Change {
	change, err := s.operator().Rotate(s.t.Context(), mode)
	if err != nil {
		s.t.Fatal(err)
	}
	return change
}

func (s *simulation) operate(f func(Document, Schedule, time.Time) Document) {
	k := s.operator()
	_, err := k.operate(s.t.Context(), func(d Document, _ time.Time) (Document, error) { return f(d.clone(), k.schedule, s.now), nil })
	if err != nil {
		s.t.Fatal(err)
	}
}

// signAtOnce rotates as many issuers do: a new key signs as soon as it is
// published.
func signAtOnce(d Document, s Schedule, now time.Time) Document {
	d.in(StateSigning).retire(s, now)
	return d.without(StateNext)
}

func removeRetired(d Document, _ Schedule, _ time.Time) Document { return d.without(StateRetired) }

// sum is how all verifiers of a name did.
type sum struct {
	checked, failed int
	first, last     time.Time
	trusted         time.Time
}

func (s *simulation) of(name string) (n sum) {
	for _, v := range s.checkers {
		if v.model.name != name {
			continue
		}
		n.checked += v.checked
		n.failed += v.failed
		n.last = later(n.last, v.lastFail)
		n.trusted = later(n.trusted, v.trusted)
		if !v.firstFail.IsZero() && (n.first.IsZero() || v.firstFail.Before(n.first)) {
			n.first = v.firstFail
		}
	}
	return n
}

func (s *simulation) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-30s %12s %8s  %s\n", "verifier", "verified", "failed", "from, until")
	for _, m := range verifierModels {
		n := s.of(m.name)
		fmt.Fprintf(&b, "%-30s %12d %8d", m.name, n.checked, n.failed)
		if n.failed > 0 {
			fmt.Fprintf(&b, "  %v, %v", n.first.Sub(began).Round(time.Second), n.last.Sub(began).Round(time.Second))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
