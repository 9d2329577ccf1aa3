package main

import (
	"fmt"
	"slices"
	"time"

	"privyseal/keys"
)

// wrongClock is by how much a clock may be wrong before it matters.
const wrongClock = time.Minute

// problems are what somebody should look at, the worst first.
func (r *keysReport) problems() []string {
	list := []string{}
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
// that has keys.
func (r *keysReport) disagreements() (list []string) {
	first, name := r.Store, "the store"
	for _, one := range r.Replicas {
		switch s := one.Status; {
		case s == nil || len(s.Keys) == 0: // is out of service, which has been said
		case first == nil:
			first, name = s, "replica "+printable(one.Admin)
		case (s.Store == nil) != (first.Store == nil):
			list = append(list, fmt.Sprintf("replica %s DISAGREES with %s: one has a keyring, the other signing_key: give all the same configuration", printable(one.Admin), name))
		case s.Store != nil && s.Store.Ring != first.Store.Ring:
			list = append(list, fmt.Sprintf("replica %s DISAGREES with %s: it has another keyring: give all the same keys.store, and restart it", printable(one.Admin), name))
		case keySetOf(*s) != keySetOf(*first):
			list = append(list, fmt.Sprintf("replica %s DISAGREES with %s: it has another key set (%s, not %s); that is normal for up to %s after a change",
				printable(one.Admin), name, shortKeyID(keySetOf(*s)), shortKeyID(keySetOf(*first)), span(timeline{publishBefore: r.publishBefore}.propagation())))
		}
	}
	return list
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
