package main

import (
	"fmt"
	"time"

	"privyseal/keys"
)

// sentences say of a key what it does now, until when, and what is safe when.
func (t timeline) sentences(k keys.KeyStatus) []string {
	switch k.State {
	case keys.StateSigning:
		return t.aboutSigning(k)
	case keys.StateNext:
		return t.aboutNext(k)
	case keys.StateRetired:
		return t.aboutRetired(k)
	case keys.StatePublishedOnly:
		return []string{"published only: its private half is not here"}
	}
	return nil
}

func (t timeline) aboutSigning(k keys.KeyStatus) []string {
	if t.Ephemeral {
		return []string{"signs, and is not published: no verifier can find it;", "configure keys, or signing_key"}
	}
	list := []string{"signs now, since " + t.moment(k.SigningSince)}
	switch next := t.in(keys.StateNext); {
	case t.Store == nil:
		if t.HeldKey != "" {
			list = append(list, "until "+t.moment(t.HeldUntil))
		}
	case next == nil:
		list = append(list, "until there is a next key, which could not be made yet")
	case next.ActivateAt.Before(t.now):
		list = append(list, "until the next key signs, which is overdue")
	default:
		list = append(list, "until about "+t.moment(next.ActivateAt))
	}
	if missing := t.MissingPublication; missing > 0 {
		list = append(list, fmt.Sprintf("signs %s too early: verifiers may refuse it", span(missing)), "until "+t.moment(k.SigningSince.Add(missing)))
	}
	return list
}

func (t timeline) aboutNext(k keys.KeyStatus) []string {
	list := []string{"published for " + span(t.now.Sub(k.PublishedAt)) + ", has not signed"}
	if t.publishBefore > 0 {
		due, word := k.PublishedAt.Add(t.publishBefore), "from"
		if !t.now.Before(due) {
			word = "since"
		}
		list = append(list, fmt.Sprintf("can sign without failures %s %s", word, t.moment(due)))
	}
	switch {
	case k.KeyID == t.HeldKey:
		list = append(list, "waits, by hold_new_key, until "+t.moment(t.HeldUntil))
	case t.Store == nil:
	case k.ActivateAt.Before(t.now):
		list = append(list, "should have signed since "+t.moment(k.ActivateAt))
	default:
		list = append(list, "signs by itself from "+t.moment(k.ActivateAt))
	}
	return list
}

func (t timeline) aboutRetired(k keys.KeyStatus) []string {
	const what = "signs no longer; what it has signed is still accepted"
	switch {
	case !k.RemoveAt.IsZero() && t.now.Before(k.RemoveAt):
		return []string{what, "safe to remove in " + span(k.RemoveAt.Sub(t.now)) + ": leaves by itself " + t.date(k.RemoveAt)}
	case !k.RemoveAt.IsZero():
		return []string{what, "safe to remove: is about to leave by itself"}
	case t.Store == nil:
		return []string{what, "may be taken out of signing_key: stays published as long as needed"}
	}
	return []string{what, "when it leaves is about to be written down"}
}

// moment is a time as people read it, from where they are in time.
func (t timeline) moment(at time.Time) string {
	distance := at.Sub(t.now)
	switch {
	case at.IsZero():
		return "an unknown time"
	case distance < 0:
		return fmt.Sprintf("%s (%s ago)", t.date(at), span(-distance))
	}
	return fmt.Sprintf("%s (in %s)", t.date(at), span(distance))
}

// date leaves out of a time in UTC what its distance makes clear.
func (t timeline) date(at time.Time) string {
	layout := "Mon 2 Jan 15:04 UTC"
	switch distance := at.Sub(t.now).Abs(); {
	case distance < time.Hour:
		layout = "15:04:05 UTC"
	case distance > 300*24*time.Hour:
		layout = "2 Jan 2006 15:04 UTC"
	}
	return at.UTC().Format(layout)
}

// span is a duration in its two largest units, rounded down.
func span(d time.Duration) string {
	units := []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	for i, u := range units[:3] {
		if d < u.length {
			continue
		}
		text := fmt.Sprintf("%d%s", d/u.length, u.name)
		if rest := d % u.length / units[i+1].length; rest > 0 {
			text += fmt.Sprintf(" %d%s", rest, units[i+1].name)
		}
		return text
	}
	if d > 0 && d < time.Second {
		return "less than 1s"
	}
	return fmt.Sprintf("%ds", max(d, 0)/time.Second)
}
