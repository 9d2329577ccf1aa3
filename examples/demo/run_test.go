package main

import (
	"bufio"
	"context"
	"flag"
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
	for said.Scan() {
		if strings.HasPrefix(said.Text(), "traffic:") {
			if !strings.Contains(said.Text(), " 0 verification failures") {
				t.Error(said.Text())
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
