package privyseal

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReportModeIsSeen: what a rule in report mode lets through is in the log, as
// a warning, and counted.
func TestReportModeIsSeen(t *testing.T) {
	h := newHouse(t)
	h.Close()
	config := read(t, h.dir, "privyseal.yaml")
	h.write("privyseal.yaml", strings.Replace(config, "allow: {groups: [staff]}", "mode: report, allow: {groups: [board]}", 1))
	var err error
	h.Service, err = New(ServiceOptions{
		Load: LoadOptions{Path: filepath.Join(h.dir, "privyseal.yaml")}, Drain: time.Millisecond,
		Decisions: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	d := h.ask()
	h.observe(d.Record)
	if d.Grant() == nil {
		t.Fatalf("%+v", d.Record)
	}
	line := string(appendDecision(nil, &h.recorder.take(nil)[0]))
	for _, want := range []string{`"level":"WARN"`, `"outcome":"allow"`, `"would_deny":"not_allowed"`, `"rule":"first"`} {
		if !strings.Contains(line, want) {
			t.Errorf("the record has no %s:\n%s", want, line)
		}
	}
	families, err := h.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := ""
	for _, family := range families {
		if family.GetName() == "privyseal_would_deny_total" {
			counted = fmt.Sprint(family.GetMetric())
		}
	}
	for _, want := range []string{"first", "not_allowed", "value:1"} {
		if !strings.Contains(counted, want) {
			t.Errorf("the metric is %s", counted)
		}
	}
}
