package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"privyseal/examples/child"
	"privyseal/examples/envoy"
	"privyseal/examples/repo"
)

// lastPort is the one that was given out last. The kernel gives connections of
// its own ports from 32768 on, so those below are not taken by chance.
var lastPort atomic.Int32

// freePort returns a port of the loopback interface that is free now, and that
// no other test is given.
func freePort(t *testing.T) int {
	t.Helper()
	lastPort.CompareAndSwap(0, 10000+rand.Int32N(10000)) // another process may be testing
	for range 1000 {
		port := int(lastPort.Add(1))
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// waitPort waits until something listens on a port.
func waitPort(t *testing.T, port int) {
	t.Helper()
	for range waits(20 * time.Second) {
		if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			conn.Close()
			return
		}
	}
	t.Fatalf("nothing listens on port %d", port)
}

// startEnvoy runs an Envoy with a configuration until the test ends, and returns
// when it is live. Its log is shown if the test fails.
func startEnvoy(t *testing.T, config string) {
	t.Helper()
	root, err := repo.Root()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := envoy.Find(t.Context(), filepath.Join(root, ".cache"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, admin := filepath.Join(dir, "envoy.yaml"), filepath.Join(dir, "admin")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "envoy.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(binary, "-c", file, "--concurrency", "1", "--disable-hot-restart",
		"--log-level", "warning", "--file-flush-interval-msec", "50", "--admin-address-path", admin)
	cmd.Stdout, cmd.Stderr = log, log
	process, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Stop(0)
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("Envoy's log:\n%s", text)
		}
	})
	for range waits(30 * time.Second) {
		select {
		case <-process.Done():
			t.Fatalf("Envoy ended: %v", process.Err())
		default:
		}
		if isLive(admin) {
			return
		}
	}
	t.Fatal("Envoy does not become live")
}

// isLive asks the admin interface, whose address Envoy writes to a file.
func isLive(file string) bool {
	address, err := os.ReadFile(file)
	if err != nil || len(address) == 0 {
		return false
	}
	answer, err := http.Get("http://" + strings.TrimSpace(string(address)) + "/ready")
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
