package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/verify/verifytest"
	"privyseal/examples/child"
	"privyseal/examples/repo"
	"privyseal/keys"
)

// The schedule of the tests' keyring: jwt_authn keeps a key set for a second.
const (
	rotateEvery   = 2500 * time.Millisecond
	publishBefore = 2 * time.Second
	rotations     = 50
)

// TestReplicasRotate runs three replicas on one Redis behind an Envoy whose
// jwt_authn verifies every assertion, at once and again when it is older, over
// fifty rotations. One replica is killed and comes back; one loses its store,
// leaves service by its own health check, and comes back when it has found it.
func TestReplicasRotate(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer()
	t.Cleanup(issuer.Close)
	redis := startRedis(t)
	binary := buildPrivyseal(t)
	kek := filepath.Join(t.TempDir(), "kek")
	must(t, os.WriteFile(kek, []byte("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"), 0o600))
	replicas := make([]replica, 3)
	for i := range replicas {
		r := &replicas[i]
		*r = replica{GRPC: freePort(t), HTTP: freePort(t), admin: freePort(t), binary: binary, link: forward(t, redis)}
		r.config = filepath.Join(t.TempDir(), "privyseal.yaml")
		must(t, os.WriteFile(r.config, []byte(fmt.Sprintf(`version: 1
listen: {grpc: 127.0.0.1:%d, http: 127.0.0.1:%d, admin: 127.0.0.1:%d}
keys:
  store: redis://127.0.0.1:%d/0?key=privyseal
  rotate_every: %v
  publish_before: %v
  allow_short_periods: true
  encryption: {key_file: %s}
identity:
  - jwt: {name: corp, issuer: "%s", audiences: [api], jwks_url: "%s"}
rules:
  - {name: app, match: {hosts: [app.example]}, audience: app, ttl: 15s, allow: {groups: [staff]}}
assertion: {ttl: 15s}
`, r.GRPC, r.HTTP, r.admin, r.link.port, rotateEvery, publishBefore, kek, issuer.URL, issuer.KeySetURL())), 0o600))
		r.start(t)
	}
	for i := range replicas {
		replicas[i].awaitFit(t, true)
	}
	w := bare(t, knobs{Replicas: replicas, KeySet: replicas[0].HTTP})
	w.issuer = issuer
	c := w.client(t)

	c.rotate(t, 10)
	replicas[1].kill(t)
	c.rotate(t, 10)
	replicas[1].start(t)
	replicas[1].awaitFit(t, true)
	c.rotate(t, 5)
	replicas[2].link.cut()
	replicas[2].awaitFit(t, false)
	c.rotate(t, 10)
	replicas[2].link.mend()
	replicas[2].awaitFit(t, true)
	c.rotate(t, rotations-35)
	c.stop(t)
	first, second := replicas[0].status(t), replicas[2].status(t)
	if first.Store.Generation < rotations || first.Store.Ring != second.Store.Ring {
		t.Errorf("the replicas ended with %+v and %+v", first.Store, second.Store)
	}
}

// replica is a process of privyseal.
type replica struct {
	GRPC, HTTP, admin int
	config, binary    string
	link              *link
	process           *child.Process
}

func (r *replica) start(t *testing.T) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	must(t, err)
	cmd := exec.Command(r.binary, "serve", "--config", r.config)
	cmd.Stderr = log
	r.process, err = child.Start(cmd)
	must(t, err)
	process := r.process
	t.Cleanup(func() {
		process.Stop(0)
		log.Close()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("log of the replica at %d:\n%s", r.GRPC, text)
		}
	})
}

// kill ends the process at once.
func (r *replica) kill(t *testing.T) {
	t.Helper()
	r.process.Stop(0)
}

// awaitFit waits until the replica is ready, or is not.
func (r *replica) awaitFit(t *testing.T, fit bool) {
	t.Helper()
	for range waits(20 * time.Second) {
		if status, err := r.ask(); err == nil && (status.Unfit == "") == fit {
			return
		}
	}
	status, err := r.ask()
	t.Fatalf("the replica at %d does not become fit: %v: %+v, %v", r.GRPC, fit, status, err)
}

type replicaStatus struct {
	keys.Status
	Unfit string
}

func (r *replica) status(t *testing.T) replicaStatus {
	t.Helper()
	status, err := r.ask()
	must(t, err)
	return status
}

func (r *replica) ask() (status replicaStatus, err error) {
	conn, err := dial(r.admin)
	if err != nil {
		return status, err
	}
	answer, err := exchange(conn, "GET /-/keys HTTP/1.1\r\nhost: admin\r\n\r\n")
	if err != nil {
		return status, err
	}
	return status, json.Unmarshal([]byte(answer.body), &status)
}

// client asks all the time. Every assertion that reaches the application is
// verified, and every twentieth once more when it is old.
type client struct {
	*world
	mu          sync.Mutex
	kids        map[string]bool
	asked, late int
	unavailable int // refused by Envoy because a replica did not answer
	failures    []string
	end         chan struct{}
	running     sync.WaitGroup
}

func (w *world) client(t *testing.T) *client {
	c := &client{world: w, kids: map[string]bool{}, end: make(chan struct{})}
	for range waits(10 * time.Second) { // jwt_authn fetches for the first time
		lines := fields(w.get(t, "/v1", bearer(w.token("alice", "staff"))).body, authz.DefaultHeader)
		if len(lines) == 1 {
			if r, err := w.verified(lines[0]); err == nil && r.status == 200 {
				break
			}
		}
	}
	c.running.Go(c.ask)
	return c
}

func (c *client) ask() {
	for n := 0; ; n++ {
		select {
		case <-c.end:
			return
		case <-time.After(5 * time.Millisecond): // a load, not a wait
		}
		assertion, ok := c.once()
		if ok && n%20 == 0 {
			c.running.Go(func() { c.again(assertion) })
		}
	}
}

func (c *client) once() (assertion string, ok bool) {
	conn, err := dial(c.port)
	if err != nil {
		c.failed("asking Envoy: %v", err)
		return "", false
	}
	r, err := exchange(conn, "GET /v1 HTTP/1.1\r\nhost: app.example\r\n"+bearer(c.token("alice", "staff"))+"\r\n\r\n")
	lines := fields(r.body, authz.DefaultHeader)
	c.mu.Lock()
	c.asked++
	if err == nil && r.status == 503 {
		c.unavailable++
	}
	c.mu.Unlock()
	switch {
	case err != nil:
		c.failed("asking Envoy: %v", err)
	case r.status == 503:
	case r.status != 200 || len(lines) != 1:
		c.failed("status %d with %d assertions: %s", r.status, len(lines), r.body)
	default:
		c.verify("fresh", lines[0])
		return lines[0], true
	}
	return "", false
}

// again verifies an assertion when it has nearly expired: by then its key has
// long retired.
func (c *client) again(assertion string) {
	select {
	case <-c.end:
	case <-time.After(12 * time.Second):
		c.verify("old", assertion)
		c.mu.Lock()
		c.late++
		c.mu.Unlock()
	}
}

func (c *client) verify(what, assertion string) {
	kid := keyID(assertion)
	c.mu.Lock()
	c.kids[kid] = true
	c.mu.Unlock()
	if r, err := c.verified(assertion); err != nil || r.status != 200 {
		c.failed("jwt_authn answers %d %q for a %s assertion of key %s: %v", r.status, r.body, what, kid, err)
	}
}

// keyID returns the kid in an assertion's header.
func keyID(assertion string) string {
	var header struct{ Kid string }
	encoded, _, _ := strings.Cut(assertion, ".")
	if text, err := base64.RawURLEncoding.DecodeString(encoded); err == nil {
		json.Unmarshal(text, &header) // no kid is one that no key has
	}
	return header.Kid
}

func (c *client) failed(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failures) < 20 {
		c.failures = append(c.failures, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

// rotate waits until so many more keys have signed.
func (c *client) rotate(t *testing.T, more int) {
	t.Helper()
	c.mu.Lock()
	want := len(c.kids) + more
	c.mu.Unlock()
	for range waits(time.Duration(more+8) * 2 * rotateEvery) {
		c.mu.Lock()
		have, failed := len(c.kids), len(c.failures)
		c.mu.Unlock()
		if have >= want || failed > 0 {
			return
		}
	}
	t.Fatalf("no %d rotations: %v", more, slices.Sorted(maps.Keys(c.kids)))
}

func (c *client) stop(t *testing.T) {
	t.Helper()
	close(c.end)
	c.running.Wait()
	for _, failure := range c.failures {
		t.Error(failure)
	}
	if c.asked < 1000 || c.late < 20 || c.unavailable > c.asked/50 {
		t.Errorf("%d requests, %d verified late, %d not answered: that is not what was to be seen", c.asked, c.late, c.unavailable)
	}
	t.Logf("%d keys, %d requests, %d verified once more when old, %d refused because no replica answered", len(c.kids), c.asked, c.late, c.unavailable)
}

// link is a connection to the store that can be cut.
type link struct {
	port int
	to   string

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

// forward passes connections on to a port.
func forward(t *testing.T, port int) *link {
	t.Helper()
	l := &link{to: fmt.Sprintf("127.0.0.1:%d", port), conns: map[net.Conn]bool{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close(); l.cut() })
	l.port = listener.Addr().(*net.TCPAddr).Port
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.pass(conn)
		}
	}()
	return l
}

func (l *link) pass(conn net.Conn) {
	defer conn.Close()
	other, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer other.Close()
	l.mu.Lock()
	down := l.down
	l.conns[conn] = true
	l.mu.Unlock()
	if down {
		return
	}
	go func() { io.Copy(other, conn); other.Close() }()
	io.Copy(conn, other)
	l.mu.Lock()
	delete(l.conns, conn)
	l.mu.Unlock()
}

// cut ends every connection, and every new one.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for conn := range l.conns {
		conn.Close()
	}
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

// startRedis runs a real server that keeps nothing on disk.
func startRedis(t *testing.T) (port int) {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatalf("this test needs redis-server (Debian: redis-server): %v", err)
	}
	port = freePort(t)
	process, err := child.Start(exec.Command(binary, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"))
	must(t, err)
	t.Cleanup(func() { process.Stop(0) })
	waitPort(t, port)
	return port
}

func buildPrivyseal(t *testing.T) string {
	t.Helper()
	root, err := repo.Root()
	must(t, err)
	binary := filepath.Join(t.TempDir(), "privyseal")
	build := exec.Command("go", "build", "-o", binary, "./cmd/privyseal")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building privyseal: %v\n%s", err, output)
	}
	return binary
}
