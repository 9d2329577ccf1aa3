//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asCommand makes the test binary the command, so that it can be its own child.
const asCommand = "BENCH_IS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command is the command as a process of its own: it pins itself to a CPU, and
// the tests stay where they are.
func command(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("bench %q: %v\n%s", args, err, &stderr)
	}
	return output
}

func buildPrivyseal(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "privyseal")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "privyseal/cmd/privyseal").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return binary
}

// Every scenario runs, and every request of it is let through; how fast is not
// a matter of tests.
func TestEveryScenario(t *testing.T) {
	if testing.Short() {
		t.Skip("starts two dozen servers")
	}
	// Not through Envoy: its tests are those of the other module.
	output := command(t, "-binary", buildPrivyseal(t), "-envoy", "none", "-o", "json",
		"-rounds", "1", "-duration", "20ms", "-identities", "100", "-streams", "4", "-warm", "100", "-tokens", "50")
	var r report
	if err := json.Unmarshal(output, &r); err != nil {
		t.Fatal(err)
	}
	if want := len(scenarios(&options{})); len(r.Results) != want {
		t.Errorf("%d results of %d scenarios", len(r.Results), want)
	}
	for _, result := range r.Results {
		if (result.NotOffered != "") != (result.Name == "envoy") {
			t.Errorf("%s: not offered: %q", result.Name, result.NotOffered)
		}
		for _, c := range result.Contenders {
			if len(c.Rounds) != 1 || c.Rounds[0].CPU <= 0 || c.Rounds[0].Rate <= 0 || c.Rounds[0].P99 <= 0 || c.Rounds[0].RSS <= 0 {
				t.Errorf("%s: %s: %+v", result.Name, c.Name, c.Rounds)
			}
		}
	}
	checkDocument(t, output)
}

// checkDocument renders results twice: the second time takes the place of the
// first.
func checkDocument(t *testing.T, results []byte) {
	t.Helper()
	dir := t.TempDir()
	from, page := filepath.Join(dir, "run.json"), filepath.Join(dir, "performance.md")
	write(t, from, string(results))
	write(t, page, "before\n"+tablesBegin+"\n"+tablesEnd+"\nafter\n")
	command(t, "-from", from, "-o", "markdown", "-document", page)
	once := read(t, page)
	command(t, "-from", from, "-o", "markdown", "-document", page)
	if read(t, page) != once {
		t.Error("the second writing does not replace the first")
	}
	if !strings.HasPrefix(once, "before\n") || !strings.HasSuffix(once, "\nafter\n") || !strings.Contains(once, "(performance.svg)") {
		t.Errorf("page:\n%s", once)
	}
	if picture := read(t, filepath.Join(dir, "performance.svg")); !strings.Contains(picture, ">public</text>") {
		t.Errorf("picture:\n%s", picture)
	}
}

// Profiles are of the subject only.
func TestProfile(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	dir := t.TempDir()
	command(t, "-binary", buildPrivyseal(t), "-scenario", "^cached$", "-profile", dir, "-rounds", "1", "-duration", "20ms")
	for _, name := range []string{"cached.cpu.pprof", "cached.heap.pprof"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// What would put other things into the tables than they say is refused.
func TestFlags(t *testing.T) {
	for _, args := range []string{
		"-o pdf", "-rounds 0", "-duration 0", "-streams 0", "-warm 0", "-tokens 1", "-identities 0", "-scenario (", "public",
		"-o markdown -scenario public", "-o markdown -profile x",
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
	if _, err := parse(nil, io.Discard); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
