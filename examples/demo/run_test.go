package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"privyseal/examples/repo"
)

// The whole demo starts, its calls succeed, and it leaves nothing running.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds privyseal and runs Envoy")
	}
	root, err := repo.Root()
	if err != nil {
		t.Fatal(err)
	}
	o := flags(flag.NewFlagSet("", flag.ContinueOnError))
	o.dir = t.TempDir()
	o.privyseal = filepath.Join(o.dir, "privyseal")
	build := exec.Command("go", "build", "-o", o.privyseal, "./cmd/privyseal")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	choosePorts(t, o)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, o, w)
		w.Close()
		ended <- err
	}()
	said := bufio.NewScanner(r)
	var commands []string
	for said.Scan() {
		if line, ok := strings.CutPrefix(said.Text(), "  "); ok && !strings.HasPrefix(line, "#") {
			commands = append(commands, line)
		}
		if strings.HasPrefix(said.Text(), "traffic:") {
			if !strings.Contains(said.Text(), " 0 verification failures") {
				t.Error(said.Text())
			}
			if ctx.Err() == nil {
				doesWhatItSays(t, root, commands)
			}
			cancel()
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if ctx.Err() == nil {
		t.Error("it ended before it had made a call")
	}
	if err := free(o.uses()); err != nil {
		t.Errorf("something still listens: %v", err)
	}
}

// doesWhatItSays runs the printed commands in one shell, as a person would, and
// looks at what each curl line answers.
func doesWhatItSays(t *testing.T, root string, commands []string) {
	t.Helper()
	const mark = "=== "
	var script strings.Builder
	for _, command := range commands {
		if strings.HasPrefix(command, "curl") {
			fmt.Fprintf(&script, "echo; echo '%s'\n", mark)
		}
		script.WriteString(command + "\n")
	}
	shell := exec.CommandContext(t.Context(), "bash", "-eu", "-c", script.String())
	shell.Dir = root
	output, err := shell.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script.String(), output)
	}
	wants := [][]string{
		{`"verdict": "valid"`, `"caller": "alice"`},
		{"403", "not_allowed", "for the group staff"},
		{"403", "not_allowed", "for the group admins"},
		{"401", "unauthenticated", "www-authenticate: Bearer"},
		{`"verdict": "valid"`, `"caller": "bob"`},
		{`"verdict": "refused"`, "aud"},
		{`"keys":[{"use":"sig"`},
	}
	answers := strings.Split(string(output), mark)[1:]
	if len(answers) != len(wants) {
		t.Fatalf("%d answers:\n%s", len(answers), output)
	}
	for i, list := range wants {
		for _, want := range list {
			if !strings.Contains(answers[i], want) {
				t.Errorf("curl line %d: no %s in\n%s", i+1, want, answers[i])
			}
		}
	}
	if forged := answers[4]; strings.Contains(forged, "forged") || strings.Contains(forged, "admins") {
		t.Errorf("a forged header arrived:\n%s", forged)
	}
}

// choosePorts gives every part of the demo a port that is free now.
func choosePorts(t *testing.T, o *options) {
	t.Helper()
	for _, port := range []*int{
		&o.envoyPort, &o.verifierPort, &o.envoyAdminPort, &o.grpcPort, &o.keySetPort, &o.adminPort, &o.idpPort, &o.whoamiPort, &o.reportsPort,
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close() // at the end, so that no two are the same
		*port = listener.Addr().(*net.TCPAddr).Port
	}
}
