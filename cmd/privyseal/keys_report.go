package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"privyseal/keys"
)

// keysReport is what replicas and their store say of the keys, compared.
type keysReport struct {
	OK       bool         `json:"ok"`
	Problems []string     `json:"problems"`
	Replicas []replica    `json:"replicas"`
	Store    *keys.Status `json:"store,omitempty"`

	storeErr      error         // a failure: why Store is nil although it was asked
	publishBefore time.Duration // 0: not known
	now           time.Time
}

// readStore adds what the store holds. That it says nothing is part of the
// report: the replicas are asked all the same.
func (r *keysReport) readStore(c *cobra.Command, config string, environ []string) error {
	ring, err := openKeyring(c, config, environ)
	if err != nil {
		return err
	}
	r.publishBefore = ring.Schedule().PublishBefore
	if _, r.storeErr = ring.look(c.Context()); r.storeErr == nil {
		status := ring.Status()
		r.Store = &status
	}
	return nil
}

// conclude writes the report. Its error is the exit status.
func (r *keysReport) conclude(c *cobra.Command, output format) error {
	r.Problems = r.problems()
	r.OK = len(r.Problems) == 0
	var err error
	if output == "json" {
		err = writeJSON(c.OutOrStdout(), r)
	} else {
		err = r.write(c.OutOrStdout())
	}
	if err != nil || r.OK {
		return err
	}
	last := failure{status: no}
	if f := new(failure); errors.As(r.storeErr, &f) {
		last.status, last.hint = f.status, f.hint
	}
	if slices.ContainsFunc(r.Replicas, func(one replica) bool { return !one.Reached }) {
		last = failure{status: unreachable, hint: "is every --admin the listen.admin of a running replica, reachable from here?"}
	}
	return &last
}

// write tells a timeline for each key set that is published, and below it who
// publishes it.
func (r *keysReport) write(w io.Writer) error {
	told := map[string]bool{}
	tell := func(s *keys.Status) {
		if s != nil && !told[keySetOf(*s)] {
			told[keySetOf(*s)] = true
			r.writeKeySet(w, *s)
		}
	}
	tell(r.Store)
	for _, one := range r.Replicas {
		tell(one.Status)
	}
	for _, problem := range r.Problems {
		fmt.Fprintf(w, "problem: %s\n", problem)
	}
	if !r.OK {
		return nil
	}
	_, err := fmt.Fprintln(w, "nothing is wrong")
	return err
}

func (r *keysReport) writeKeySet(w io.Writer, s keys.Status) {
	name := "key set " + shortKeyID(keySetOf(s))
	if len(s.Keys) == 0 {
		name = "no keys"
	}
	fmt.Fprintf(w, "%s at %s\n\n", name, r.now.UTC().Format("Mon 2 Jan 2006 15:04:05 UTC"))
	timeline{s, r.publishBefore, r.now}.write(w)
	if r.Store != nil && keySetOf(*r.Store) == keySetOf(s) {
		fmt.Fprintln(w, "store")
		r.writeStore(w, r.Store.Store)
	}
	for _, one := range r.Replicas {
		if one.Status != nil && keySetOf(*one.Status) == keySetOf(s) {
			r.writeReplica(w, one)
		}
	}
	fmt.Fprintln(w)
}

func (r *keysReport) writeReplica(w io.Writer, one replica) {
	state := "in service"
	if !one.InService {
		state = "OUT OF SERVICE"
	}
	fmt.Fprintf(w, "replica %s: %s\n", printable(one.Admin), state)
	if one.Status.Store != nil {
		r.writeStore(w, one.Status.Store)
	}
}

func (r *keysReport) writeStore(w io.Writer, s *keys.StoreStatus) {
	line := fmt.Sprintf("generation %d", s.Generation)
	if !s.Confirmed.IsZero() {
		line += fmt.Sprintf(", read %s ago", span(r.now.Sub(s.Confirmed)))
	}
	if s.Skew != 0 {
		line += fmt.Sprintf(", clock %s the store's", against(s.Skew))
	}
	if s.Rollbacks > 0 {
		line += fmt.Sprintf(", %d times rolled back", s.Rollbacks)
	}
	fmt.Fprintf(w, "    %s\n", line)
}

// against says how far a clock is from another.
func against(skew time.Duration) string {
	word := "ahead of"
	if skew < 0 {
		word = "behind"
	}
	if skew.Abs() >= time.Minute {
		return span(skew.Abs()) + " " + word
	}
	return fmt.Sprintf("%v %s", skew.Abs().Round(time.Millisecond), word)
}
