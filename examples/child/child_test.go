//go:build linux

package child_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"privyseal/examples/child"
)

const patience = 10 * time.Second

// start starts a shell script and returns what it prints after its first line,
// which it must print. The output ends when every process that holds it has.
func start(t *testing.T, script string) (p *child.Process, output io.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	r.SetReadDeadline(time.Now().Add(patience))
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdout = w
	p, err = child.Start(cmd)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(0) })
	lines := bufio.NewReader(r)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return p, lines
}

// What a child left behind ends with it.
func TestStopEndsTheGroup(t *testing.T) {
	p, output := start(t, "trap '' TERM; sleep 15 & echo started; wait")
	p.Stop(10 * time.Millisecond)
	p.Stop(0) // twice is fine
	if _, err := io.ReadAll(output); err != nil {
		t.Errorf("something still runs: %v", err)
	}
}

func TestEnd(t *testing.T) {
	p, _ := start(t, "echo started; exit 3")
	<-p.Done()
	if p.Err() == nil {
		t.Error("exit 3 is no error")
	}
	if _, err := child.Start(exec.Command("/nowhere")); err == nil {
		t.Error("a missing binary starts")
	}
}

// The kernel ends a child whose parent was killed and could not stop it. The
// parent is this test binary, run once more.
func TestParentGone(t *testing.T) {
	if os.Getenv("CHILD_TEST_PARENT") != "" {
		cmd := exec.Command("sh", "-c", "echo $$; exec sleep 1000")
		cmd.Stdout = os.Stdout
		if _, err := child.Start(cmd); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	parent := exec.Command(os.Args[0], "-test.run", "^TestParentGone$")
	parent.Env = append(os.Environ(), "CHILD_TEST_PARENT=1")
	parent.Stdout = w
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	output := bufio.NewReader(r)
	line, err := output.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	parent.Process.Kill()
	parent.Wait()
	r.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, output); err != nil { // until the child, which holds the pipe, has ended
		t.Error(err)
	}
}
