package keys

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// planner applies plan to a document as a keeper does, with keys that are names.
type planner struct {
	d       Document
	s       Schedule
	began   time.Time
	now     time.Time
	made    int
	lacking int // how many keys can still be made before making one fails; -1: any number
}

func newPlanner(s Schedule) *planner {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, err := s.withDefaults()
	if err != nil {
		panic(err)
	}
	return &planner{s: s, began: began, now: began, lacking: -1}
}

// turn is what Keeper.write does to a document. It reports whether there is
// anything to write.
func (p *planner) turn(from Document) bool {
	next, missing := plan(from, p.s, p.now)
	for _, slot := range missing {
		if p.lacking == 0 {
			break
		}
		p.lacking--
		p.made++
		next.fill(slot, DocumentKey{
			KeyID: fmt.Sprintf("k%d", p.made), Algorithm: slot.Algorithm, MaxTTL: Duration(p.s.MaxTTL),
		})
	}
	if next.in(StateSigning) == nil || next.same(p.d) {
		return false
	}
	next.Version, next.Ring, next.Generation = documentVersion, "ring", p.d.Generation+1
	p.d = next
	return true
}

func (p *planner) use(change func(*Schedule)) {
	change(&p.s)
	if err := p.s.check(); err != nil {
		panic(err)
	}
}

// String tells a document in one line, times as distances from the beginning.
func (p *planner) String() string {
	var parts []string
	since := func(t time.Time) time.Duration { return t.Sub(p.began) }
	for _, k := range p.d.Keys {
		switch k.State {
		case StateRetired:
			parts = append(parts, fmt.Sprintf("%s retired until %v", k.KeyID, since(k.RemoveAt)))
		default:
			parts = append(parts, fmt.Sprintf("%s %s from %v", k.KeyID, k.State, since(k.ActivateAt)))
		}
	}
	return strings.Join(parts, ", ") + fmt.Sprintf("; complete until %v", since(p.d.CompleteUntil))
}

// The timeline of a ring with the default schedule: a week of signing, 26 hours
// of publication, and 16 minutes after the last assertion has expired.
func TestPlanTimeline(t *testing.T) {
	const (
		begun   = "k1 signing from 0s, k2 next from 168h0m0s; complete until 336h0m0s"
		rotated = "k2 signing from 168h0m0s, k3 next from 336h0m0s, k1 retired until 168h21m0s; complete until 504h0m0s"
		late    = "k2 signing from 168h0m0s, k3 next from 746h0m0s; complete until 914h0m0s"
	)
	type moment struct {
		at     time.Duration
		change func(*planner)
		want   string
	}
	failing := func(p *planner) { p.lacking = 0 }
	working := func(p *planner) { p.lacking = -1 }
	operator := func(f func(Document, *planner) (Document, error)) func(*planner) {
		return func(p *planner) {
			d, err := f(p.d, p)
			if err != nil {
				panic(err)
			}
			p.turn(d)
		}
	}
	planned := operator(func(d Document, p *planner) (Document, error) { return d.bringForward(p.s, p.now) })
	for name, moments := range map[string][]moment{
		"a key signs for a week, and leaves when its last assertion has expired everywhere": {
			{0, nil, begun},
			{168*time.Hour - 1e6, nil, begun},
			{168 * time.Hour, nil, rotated},
			{168*time.Hour + 21*time.Minute - 1e6, nil, rotated},
			{168*time.Hour + 21*time.Minute, nil, "k2 signing from 168h0m0s, k3 next from 336h0m0s; complete until 504h0m0s"},
			{336 * time.Hour, nil, "k3 signing from 336h0m0s, k4 next from 504h0m0s, k2 retired until 336h21m0s; complete until 672h0m0s"},
		},
		"a late turn writes down what replicas did by themselves": {
			{0, nil, begun},
			{170 * time.Hour, nil, "k2 signing from 168h0m0s, k3 next from 336h0m0s; complete until 504h0m0s"},
		},
		"everybody was down for a month: the key that has waited signs, and the next one waits in full": {
			{0, nil, begun},
			{720 * time.Hour, nil, late},
		},
		"no key can be made for weeks: the last one goes on, and the next one waits in full": {
			{0, nil, begun},
			{168 * time.Hour, failing, "k2 signing from 168h0m0s, k1 retired until 168h21m0s; complete until 336h0m0s"},
			{500 * time.Hour, nil, "k2 signing from 168h0m0s; complete until 336h0m0s"},
			{501 * time.Hour, working, "k2 signing from 168h0m0s, k3 next from 527h0m0s; complete until 695h0m0s"},
		},
		"no key can be made for an hour: nothing is late": {
			{0, nil, begun},
			{168 * time.Hour, failing, "k2 signing from 168h0m0s, k1 retired until 168h21m0s; complete until 336h0m0s"},
			{169 * time.Hour, working, "k2 signing from 168h0m0s, k3 next from 336h0m0s; complete until 504h0m0s"},
		},
		"a ring begins with one key if a second cannot be made": {
			{0, func(p *planner) { p.lacking = 1 }, "k1 signing from 0s; complete until 168h0m0s"},
			{time.Hour, working, "k1 signing from 0s, k2 next from 168h0m0s; complete until 336h0m0s"},
		},
		"a ring does not begin without a key": {
			{0, failing, "; complete until " + time.Time{}.Sub(newPlanner(Schedule{}).began).String()},
			{time.Minute, working, "k1 signing from 1m0s, k2 next from 168h1m0s; complete until 336h1m0s"},
		},
		"longer assertions keep the key that signs them for longer": {
			{0, nil, begun},
			{time.Hour, func(p *planner) { p.use(func(s *Schedule) { s.MaxTTL = 10 * time.Minute }) }, begun},
			{168 * time.Hour, nil, strings.Replace(rotated, "168h21m", "168h26m", 1)},
		},
		"shorter assertions do not shorten the stay of a key that signed long ones": {
			{0, func(p *planner) { p.use(func(s *Schedule) { s.MaxTTL = 10 * time.Minute }) }, begun},
			{time.Hour, func(p *planner) { p.use(func(s *Schedule) { s.MaxTTL = 5 * time.Minute }) }, begun},
			{168 * time.Hour, nil, strings.Replace(rotated, "168h21m", "168h26m", 1)},
			{336 * time.Hour, nil, "k3 signing from 336h0m0s, k4 next from 504h0m0s, k2 retired until 336h21m0s; complete until 672h0m0s"},
		},
		"a longer publish_before postpones a key that all replicas can still hear of": {
			{0, nil, begun},
			{720 * time.Hour, nil, late},
			{721 * time.Hour, func(p *planner) { p.use(func(s *Schedule) { s.PublishBefore = 100 * time.Hour }) },
				"k2 signing from 168h0m0s, k3 next from 820h0m0s; complete until 988h0m0s"},
		},
		"a longer publish_before comes too late for a key that is about to sign": {
			{0, nil, begun},
			{720 * time.Hour, nil, late},
			{746*time.Hour - 5*time.Minute, func(p *planner) { p.use(func(s *Schedule) { s.PublishBefore = 100 * time.Hour }) }, late},
		},
		"a shorter publish_before changes no time that is written down": {
			{0, nil, begun},
			{720 * time.Hour, nil, late},
			{721 * time.Hour, func(p *planner) { p.use(func(s *Schedule) { s.PublishBefore = time.Hour }) }, late},
		},
		"another rotate_every is for keys that are not made yet": {
			{0, nil, begun},
			{time.Hour, func(p *planner) { p.use(func(s *Schedule) { s.RotateEvery = 30 * time.Hour }) }, begun},
			{168 * time.Hour, nil, "k2 signing from 168h0m0s, k3 next from 336h0m0s, k1 retired until 168h21m0s; complete until 366h0m0s"},
			{336 * time.Hour, nil, "k3 signing from 336h0m0s, k4 next from 366h0m0s, k2 retired until 336h21m0s; complete until 396h0m0s"},
		},
		"a rotation that is brought forward keeps the old key until its first term": {
			{0, nil, begun},
			{30 * time.Hour, planned, "k1 signing from 0s, k2 next from 30h5m0s; complete until 336h0m0s"},
			{30*time.Hour + 5*time.Minute, nil, "k2 signing from 30h5m0s, k3 next from 336h0m0s, k1 retired until 168h21m0s; complete until 504h0m0s"},
		},
		"a rotation that is brought forward twice keeps the old key as long": {
			{0, func(p *planner) { p.use(func(s *Schedule) { s.PublishBefore = 40 * time.Minute }) }, begun},
			{30 * time.Hour, planned, "k1 signing from 0s, k2 next from 30h4m0s; complete until 336h0m0s"},
			{30 * time.Hour, func(p *planner) { p.use(func(s *Schedule) { s.PublishBefore = 30 * time.Minute }) }, "k1 signing from 0s, k2 next from 30h4m0s; complete until 336h0m0s"},
			{30 * time.Hour, planned, "k1 signing from 0s, k2 next from 30h3m0s; complete until 336h0m0s"},
			{31 * time.Hour, nil, "k2 signing from 30h3m0s, k3 next from 336h0m0s, k1 retired until 168h21m0s; complete until 504h0m0s"},
		},
		"the next key takes over at once": {
			{0, nil, begun},
			{time.Hour, operator(func(d Document, p *planner) (Document, error) { return d.replace(p.now) }),
				"k2 signing from 1h0m0s, k3 next from 336h0m0s; complete until 504h0m0s"},
		},
		"a purge begins anew": {
			{0, nil, begun},
			{168 * time.Hour, nil, rotated},
			{169 * time.Hour, operator(func(d Document, p *planner) (Document, error) { return d.without(StateSigning, StateNext), nil }),
				"k4 signing from 169h0m0s, k5 next from 337h0m0s; complete until 505h0m0s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlanner(Schedule{})
			for _, m := range moments {
				p.now = p.began.Add(m.at)
				if m.change != nil {
					m.change(p)
				}
				p.turn(p.d)
				if got := p.String(); got != m.want {
					t.Errorf("after %v:\n got %s\nwant %s", m.at, got, m.want)
				}
			}
		})
	}
}

// New keys are of the configured algorithm; keys that exist stay.
func TestPlanAlgorithm(t *testing.T) {
	p := newPlanner(Schedule{})
	p.turn(p.d)
	p.use(func(s *Schedule) { s.Algorithm = "RS256" })
	p.turn(p.d)
	p.now = p.now.Add(defaultRotateEvery)
	p.turn(p.d)
	got := map[State]string{}
	for _, k := range p.d.Keys {
		got[k.State] = k.Algorithm
	}
	if got[StateSigning] != "ES256" || got[StateNext] != "RS256" || got[StateRetired] != "ES256" {
		t.Errorf("algorithms: %v", got)
	}
}

// plan leaves the document it is given as it is: replicas publish from it.
func TestPlanChangesNothingInPlace(t *testing.T) {
	p := newPlanner(Schedule{})
	p.turn(p.d)
	d, before := p.d, p.String()
	p.now = p.now.Add(defaultRotateEvery)
	p.turn(d)
	p.d = d
	if got := p.String(); got != before {
		t.Errorf("got %s\nwas %s", got, before)
	}
}
