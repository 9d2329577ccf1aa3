package keys

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// history is a ring under random events, with everything that has ever been
// written. Any replica may still hold any of it.
type history struct {
	*planner
	random *rand.Rand
	past   []era
	log    []string
}

// era is a document, and what was done while it was the newest.
type era struct {
	document  Document
	schedule  Schedule  // of the replicas, when they could last read it
	confirmed time.Time // the last time a replica can have read it
	outOfTurn bool      // an operator rotated out of turn from it
	burned    []string  // keys that an operator took away
}

// Under any sequence of events, what plan writes keeps its promises.
func TestPlanKeepsItsPromises(t *testing.T) {
	sequences := 3000
	if raceEnabled {
		sequences = 300
		t.Log("under the race detector: a tenth of the sequences")
	}
	events := 0
	for seed := range uint64(sequences) {
		h := &history{planner: newPlanner(Schedule{}), random: rand.New(rand.NewPCG(seed, 1))}
		for range 40 {
			h.event()
			events++
			if err := h.check(); err != nil {
				t.Fatalf("seed %d: %v\n%v\n%v", seed, err, h.planner, h.log)
			}
		}
	}
	t.Logf("%d sequences, %d events", sequences, events)
}

// event lets time pass, and something happen.
func (h *history) event() {
	jumps := []time.Duration{0, time.Minute, 7 * time.Minute, time.Hour, 20 * time.Hour, 5 * 24 * time.Hour, 30 * 24 * time.Hour}
	jump := time.Duration(h.random.Int64N(int64(jumps[h.random.IntN(len(jumps))]) + 1))
	if at := h.nextTerm(); h.random.IntN(3) == 0 && at.After(h.now) {
		jump = at.Sub(h.now) // exactly when something is due
	}
	h.now = h.now.Add(jump)
	schedule := h.s
	d, what, err := h.happen()
	h.log = append(h.log, fmt.Sprintf("%v %s\n", h.now.Sub(h.began), what))
	if err != nil {
		d = h.d
	}
	outOfTurn := err == nil && (what == "planned" || what == "availability" || what == "purge")
	before := h.d
	if !h.turn(d) {
		outOfTurn, what = false, "time" // it could not be had
		if !h.turn(h.d) {
			return
		}
	}
	if n := len(h.past); n > 0 {
		last := &h.past[n-1]
		last.confirmed, last.schedule, last.outOfTurn = h.now, schedule, outOfTurn
		for _, k := range before.Keys {
			if err == nil && (what == "availability" || what == "purge" || what == "revoke") && d.find(k.KeyID) == nil {
				last.burned = append(last.burned, k.KeyID)
			}
		}
	}
	h.past = append(h.past, era{document: h.d, schedule: h.s})
}

func (h *history) nextTerm() (at time.Time) {
	for _, k := range h.d.Keys {
		for _, term := range []time.Time{k.ActivateAt, k.RemoveAt} {
			if term.After(h.now) && (at.IsZero() || term.Before(at)) {
				at = term
			}
		}
	}
	return at
}

// happen returns what an operator makes of the document, and its name.
func (h *history) happen() (Document, string, error) {
	if len(h.d.Keys) == 0 {
		return h.d, "begin", nil
	}
	switch h.random.IntN(14) {
	case 0:
		d, err := h.d.bringForward(h.s, h.now)
		return d, "planned", err
	case 1:
		d, err := h.d.replace(h.now)
		return d, "availability", err
	case 2:
		return h.d.without(StateSigning, StateNext), "purge", nil
	case 3:
		if k := h.d.Keys[h.random.IntN(len(h.d.Keys))]; k.State != StateSigning {
			d := h.d.clone()
			d.Keys = slices.DeleteFunc(d.Keys, func(other DocumentKey) bool { return other.KeyID == k.KeyID })
			return d, "revoke", nil
		}
	case 4, 5:
		h.lacking = h.random.IntN(3) - 1
		return h.d, fmt.Sprint("keys can be made: ", h.lacking), nil
	case 6, 7:
		h.changeSchedule()
		return h.d, fmt.Sprintf("schedule %+v", h.s), nil
	}
	return h.d, "time", nil
}

// changeSchedule takes any permitted schedule. publish_before falls only while
// the document's promise lasts for longer: afterwards a replica that has lost the
// store goes by the value that it knows.
func (h *history) changeSchedule() {
	s := h.s
	s.RotateEvery = minRotateEvery + time.Duration(h.random.Int64N(int64(30*24*time.Hour)))
	s.PublishBefore = minPublishFor + time.Duration(h.random.Int64N(int64(48*time.Hour)))
	s.MaxTTL = time.Duration(1+h.random.IntN(10)) * time.Minute
	if s.check() == nil && (s.PublishBefore >= h.s.PublishBefore || h.d.CompleteUntil.After(h.now.Add(h.s.PublishBefore))) {
		h.s = s
	}
}

func (h *history) check() error {
	if len(h.past) == 0 {
		return nil
	}
	if err := h.d.validate(); err != nil {
		return err
	}
	if again, missing := plan(h.d, h.s, h.now); !again.same(h.d) || len(missing) > 0 && h.lacking != 0 {
		return fmt.Errorf("planned again at the same time, it is different: %v", missing)
	}
	if n := len(h.past); n > 1 && h.d.CompleteUntil.Before(h.past[n-2].document.CompleteUntil) {
		return fmt.Errorf("CompleteUntil has fallen")
	}
	for _, check := range []func() error{h.checkPublished, h.checkComplete, h.checkRetired} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkPublished: a key that is to sign in turn has been published for
// PublishBefore by then, as it was when the key was made.
func (h *history) checkPublished() error {
	k := h.d.in(StateNext)
	if k == nil {
		return nil
	}
	made := slices.IndexFunc(h.past, func(e era) bool { return e.document.find(k.KeyID) != nil })
	if lead := k.ActivateAt.Sub(k.PublishedAt); lead < min(h.past[made].schedule.PublishBefore, h.s.PublishBefore) {
		return fmt.Errorf("%s is published for %v only before it signs", k.KeyID, lead)
	}
	return nil
}

// checkComplete: no key signs, or is to sign, before the promise of a document
// ends that lacks it, unless an operator has rotated out of turn since.
func (h *history) checkComplete() error {
	for i := len(h.past) - 2; i >= 0 && !h.past[i].outOfTurn; i-- {
		old := h.past[i].document
		for _, k := range h.d.Keys {
			if k.State != StateRetired && old.find(k.KeyID) == nil && k.ActivateAt.Before(old.CompleteUntil) {
				return fmt.Errorf("%s signs before the promise of generation %d ends", k.KeyID, old.Generation)
			}
		}
	}
	return nil
}

// checkRetired: a key stays published until every assertion has expired, by the
// clock of a verifier that is 6 minutes late, which any replica can have signed
// with it, whatever document it holds. What an operator took away is excepted,
// and what keys are by then that replicas did not hear of.
func (h *history) checkRetired() error {
	burned := map[string]bool{}
	for i := len(h.past) - 2; i >= 0; i-- {
		for _, kid := range h.past[i].burned {
			burned[kid] = true
		}
		if len(burned) > 0 {
			return nil // replicas that did not hear of it sign with what was burned, then with others
		}
		e := h.past[i]
		for _, k := range e.document.Keys {
			until := e.signsUntil(k)
			if until.IsZero() {
				continue
			}
			stays := until.Add(time.Duration(e.document.find(k.KeyID).MaxTTL) + retireAfter)
			now := h.d.find(k.KeyID)
			if now == nil && h.now.Before(stays) || now != nil && now.State == StateRetired && now.RemoveAt.Before(stays) {
				return fmt.Errorf("%s is to leave %v before a replica with generation %d has done with it", k.KeyID, stays, e.document.Generation)
			}
		}
	}
	return nil
}

// signsUntil returns how long a replica signs with a key that has read this
// document last; zero if it does not.
func (e era) signsUntil(k DocumentKey) time.Time {
	sh := shared{document: e.document, schedule: e.schedule, confirmed: e.confirmed}
	next := e.document.in(StateNext)
	switch {
	case k.State == StateRetired:
		return time.Time{}
	case k.State == StateSigning && next != nil:
		return next.ActivateAt
	}
	return sh.horizon()
}
