package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// write writes an explanation for people: the verdict, then each clause with what
// it is made of, then what the application is told.
func (e *explanation) write(w io.Writer) {
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "%-10s %s\n", name, printable(text))
		}
	}
	line("outcome", e.Outcome)
	line("reason", e.Reason)
	line("detail", e.Detail)
	line("cause", e.Cause)
	line("would deny", e.WouldDeny)
	line("rule", cmp.Or(e.Rule, "none"))
	line("match", e.Match)
	for i := range e.Clauses {
		e.Clauses[i].write(w)
	}
	line("claims", string(e.Claims))
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		line("set", name+": "+e.Set[name])
	}
	line("remove", strings.Join(e.Remove, " "))
}

func (c *clause) write(w io.Writer) {
	verdict := holding(c.Holds, c.Error)
	if c.Decides {
		verdict += ", and decides"
	}
	fmt.Fprintf(w, "%-10s %s\n", c.Clause, verdict)
	for _, k := range c.Keys {
		fmt.Fprintf(w, "  %-14s %s\n", k.Key, holding(k.Holds, k.Error))
		for _, v := range k.Values {
			fmt.Fprintf(w, "    %s = %s\n", printable(v.Text), printable(v.Value))
		}
	}
}

func holding(holds bool, err string) string {
	switch {
	case err != "":
		return "cannot be answered: " + printable(err)
	case holds:
		return "holds"
	}
	return "does not hold"
}
