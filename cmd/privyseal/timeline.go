package main

import (
	"fmt"
	"io"
	"time"

	"privyseal/keys"
)

// timeline tells people what a ring's keys do and when that changes: a line for
// each key, below it what holds of it in words, at last a picture if the future
// is known. Everything in it may come from somebody else's server.
type timeline struct {
	keys.Status
	publishBefore time.Duration // 0: not known
	now           time.Time
}

// timelineOf is the timeline of a keyring as its document says it.
func timelineOf(d keys.Document, publishBefore time.Duration, now time.Time) timeline {
	t := timeline{publishBefore: publishBefore, now: now}
	t.Store = &keys.StoreStatus{Ring: d.Ring, Generation: d.Generation, CompleteUntil: d.CompleteUntil}
	for _, k := range d.Keys {
		key := keys.KeyStatus{KeyID: k.KeyID, Algorithm: k.Algorithm, State: k.State, PublishedAt: k.PublishedAt, RemoveAt: k.RemoveAt}
		if k.State == keys.StateNext {
			key.ActivateAt = k.ActivateAt
		} else {
			key.SigningSince = k.ActivateAt
		}
		t.Keys = append(t.Keys, key)
	}
	return t
}

func (t timeline) write(w io.Writer) error {
	for _, key := range t.Keys {
		fmt.Fprintf(w, "%s  %-5s  %s\n", shortKeyID(key.KeyID), printable(key.Algorithm), printable(string(key.State)))
		for _, sentence := range t.sentences(key) {
			fmt.Fprintf(w, "    %s\n", sentence)
		}
	}
	picture := t.picture()
	if picture != nil {
		fmt.Fprintln(w)
	}
	for _, line := range picture {
		fmt.Fprintln(w, line)
	}
	_, err := fmt.Fprintln(w)
	return err
}

// in returns the first key of a state, or nil.
func (t timeline) in(state keys.State) *keys.KeyStatus {
	for i := range t.Keys {
		if t.Keys[i].State == state {
			return &t.Keys[i]
		}
	}
	return nil
}

// signing is the short kid of the key that signs.
func (t timeline) signing() string {
	if k := t.in(keys.StateSigning); k != nil {
		return shortKeyID(k.KeyID)
	}
	return "no key"
}

// shortKeyID is as much of a kid, or of a digest, as people compare.
func shortKeyID(kid string) string {
	const enough = 12
	if len(kid) > enough {
		kid = kid[:enough]
	}
	return printable(kid)
}
