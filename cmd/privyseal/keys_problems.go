package main

import (
	"fmt"
	"slices"
	"time"

	"privyseal/keys"
)

// wrongClock is by how much a clock may be wrong before it matters.
const wrongClock = time.Minute

// longestPropagation is the longest that a replica may take to hear of a change.
const longestPropagation = 5 * time.Minute

// problems are what somebody should look at, the worst first.
func (r *keysReport) problems() []string {
	list := []string{}
	if r.storeErr != nil {
		list = append(list, "store: "+oneLine(r.storeErr.Error()))
	}
	for _, one := range r.Replicas {
		if !one.Reached {
			list = append(list, fmt.Sprintf("replica %s: no answer: %s", printable(one.Admin), one.Error))
		}
	}
	for _, one := range r.Replicas {
		if one.Reached && !one.InService {
			list = append(list, fmt.Sprintf("replica %s is out of service: %s", printable(one.Admin), oneLine(one.Unfit)))
		}
	}
	list = append(list, r.disagreements()...)
	for _, one := range r.Replicas {
		if one.Status == nil {
			continue
		}
		name := "replica " + printable(one.Admin)
		if off := one.Now.Sub(r.now); off.Abs() > wrongClock {
			list = append(list, fmt.Sprintf("%s: its clock is %s this machine's", name, against(off)))
		}
		for _, problem := range problemsOf(*one.Status, r.now) {
			list = append(list, name+": "+problem)
		}
	}
	if r.Store != nil {
		for _, problem := range problemsOf(*r.Store, r.now) {
			list = append(list, "store: "+problem)
		}
	}
	return list
}

// disagreements compares everybody with the store, or else with the first one
// that has keys. One without keys is out of service, which is said elsewhere.
func (r *keysReport) disagreements() (list []string) {
	first, name := r.Store, "the store"
	for _, one := range r.Replicas {
		if one.Status == nil || len(one.Keys) == 0 {
			continue
		}
		if first == nil {
			first, name = one.Status, "replica "+printable(one.Admin)
		}
		if d := difference(*one.Status, *first); d != "" {
			list = append(list, fmt.Sprintf("replica %s DISAGREES with %s: %s", printable(one.Admin), name, d))
		}
	}
	return list
}

// difference says how a replica differs from another one, "" if not at all. The
// first one that applies explains the rest.
func difference(s, other keys.Status) string {
	if (s.Store == nil) != (other.Store == nil) {
		return "one has a keyring, the other signing_key: give all the same configuration"
	}
	if s.Store != nil && s.Store.Ring != other.Store.Ring {
		return "it has another keyring: give all the same keys.store, and restart it"
	}
	lag := "that is normal for up to " + span(longestPropagation) + " after a change"
	if s.Store == nil {
		lag = "give all the same signing_key"
	}
	signs, signsThere := timeline{Status: s}.signing(), timeline{Status: other}.signing()
	switch {
	case s.Store != nil && s.Store.Generation != other.Store.Generation:
		return fmt.Sprintf("it has generation %d of the keyring, not %d; %s", s.Store.Generation, other.Store.Generation, lag)
	case keySetOf(s) != keySetOf(other):
		return fmt.Sprintf("it has another key set, %s, not %s; %s", shortKeyID(keySetOf(s)), shortKeyID(keySetOf(other)), lag)
	case signs != signsThere:
		return fmt.Sprintf("it signs with %s, not %s; compare the clocks", signs, signsThere)
	}
	return ""
}

// keySetOf is what replicas agree in: the digest of the key set or, since an
// ephemeral key is in none, its kid.
func keySetOf(s keys.Status) string {
	if s.Ephemeral && len(s.Keys) > 0 {
		return s.Keys[0].KeyID
	}
	return s.JWKSDigest
}

// problemsOf are those that a status shows by itself.
func problemsOf(s keys.Status, now time.Time) (list []string) {
	wrong := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if s.MissingPublication > 0 {
		wrong("the signing key should have been published for %s longer before it signed", span(s.MissingPublication))
	}
	if s.Store == nil {
		return list
	}
	if s.Store.LastError != "" {
		wrong("the keyring cannot be kept: %s", oneLine(s.Store.LastError))
	} else if s.Store.Skew.Abs() > wrongClock {
		wrong("the clock is %s the store's", against(s.Store.Skew))
	}
	for _, k := range s.Keys {
		if k.State == keys.StateNext && now.Sub(k.ActivateAt) > wrongClock {
			wrong("the rotation is overdue: key %s should have signed for %s", shortKeyID(k.KeyID), span(now.Sub(k.ActivateAt)))
		}
		if k.State == keys.StateSigning && now.Sub(k.SigningSince) > longestPropagation && !slices.ContainsFunc(s.Keys, isNext) {
			wrong("the next rotation is in danger: there is no next key; see the log of the replicas")
		}
	}
	return list
}

func isNext(k keys.KeyStatus) bool { return k.State == keys.StateNext }
