//go:build compose

package compose

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"privyseal/examples/child"
)

const (
	startWithin = 60 * time.Second
	stopWithin  = 30 * time.Second
	callWithin  = 5 * time.Second
)

// daemon is a Docker daemon of the test: its files are below the test's folder,
// its networks in a namespace of their own, so that neither the machine's own
// daemon nor its firewall notices.
type daemon struct {
	host      string // DOCKER_HOST
	namespace string // file of the network namespace
	client    *http.Client
}

func startDaemon(t *testing.T) *daemon {
	t.Helper()
	for _, program := range []string{"dockerd", "docker-compose", "unshare", "ip"} {
		if _, err := exec.LookPath(program); err != nil || os.Geteuid() != 0 {
			t.Fatalf("%s is needed, and to be root: apt-get install -y docker.io docker-compose iproute2", program)
		}
	}
	dir, err := os.MkdirTemp("", "compose") // short, because sockets are in it
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{host: "unix://" + filepath.Join(dir, "docker.sock")}
	command := exec.Command("unshare", "--net", "sh", "-c", `ip link set lo up && exec dockerd "$@"`, "dockerd",
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"),
		"--host", d.host, "--bridge", "none")
	command.Stdout, command.Stderr = log, log
	process, err := child.Start(command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Stop(stopWithin)
		log.Close()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("the daemon left something behind: %v", err)
		}
	})
	d.namespace = fmt.Sprintf("/proc/%d/ns/net", command.Process.Pid)
	d.client = &http.Client{Timeout: callWithin, Transport: &http.Transport{DialContext: d.dial, DisableKeepAlives: true}}
	await(t, "the daemon answers", func() bool {
		select {
		case <-process.Done():
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("dockerd ended (%v):\n%s", process.Err(), text)
		default:
		}
		_, err := d.try("docker", "info")
		return err == nil
	})
	return d
}

// dial connects from within the namespace, to an IP address.
func (d *daemon) dial(ctx context.Context, network, address string) (net.Conn, error) {
	runtime.LockOSThread() // a thread that does not come back stays locked, and ends with the goroutine
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer here.Close()
	there, err := os.Open(d.namespace)
	if err != nil {
		return nil, err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back == nil {
		runtime.UnlockOSThread()
	}
	return conn, err
}

// try runs a program against the daemon, in the root of the repository, and
// returns what it wrote to standard output. The classic builder builds without
// pulling a frontend.
func (d *daemon) try(name string, args ...string) (string, error) {
	return d.tryWith(nil, name, args...)
}

func (d *daemon) tryWith(environ []string, name string, args ...string) (string, error) {
	c := exec.Command(name, args...)
	c.Dir = root
	c.Env = append(append(os.Environ(), "DOCKER_HOST="+d.host, "DOCKER_BUILDKIT=0", "SIGNING_KEY="), environ...)
	var said strings.Builder
	c.Stderr = &said
	output, err := c.Output()
	if err != nil {
		err = fmt.Errorf("%s %v: %w: %s", name, args, err, said.String())
	}
	return strings.TrimSpace(string(output)), err
}

// docker runs a docker command that must succeed.
func (d *daemon) docker(t *testing.T, args ...string) string {
	t.Helper()
	output, err := d.try("docker", args...)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// await waits until something holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", startWithin, what)
		case <-ticker.C:
		}
	}
}
