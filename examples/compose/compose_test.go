//go:build compose

package compose

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"privyseal/keys"
)

func TestStack(t *testing.T) {
	s := stack{startDaemon(t)}
	buildImages(t, s.daemon)
	standInEnvoy(t, s.daemon)
	s.up(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, stack)
	}{
		{"allowed", testAllowed},
		{"denied", testDenied},
		{"forged headers", testForged},
		{"key set on the application's host", testKeySet},
		{"one decision in both logs", testLogs},
		{"applications cannot ask", testApplicationsCannotAsk},
		{"others on the socket cannot ask", testOthersCannotAsk},
		{"confined", testConfined},
		{"published on loopback", testPublished},
		{"started again", testAgain},
		{"a key of one's own", testOwnKey},
		{"without privyseal", testWithoutPrivyseal},
		{"nothing is left", testDown},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, s) })
	}
}

func testAllowed(t *testing.T, s stack) {
	alice := s.token(t, "alice")
	for path, audience := range map[string]string{"/json": "whoami", "/admin/json": "whoami", "/reports/json": "reports"} {
		v := s.view(t, path, alice)
		if v.Caller != "alice" || v.Assertion.Claims["aud"] != audience || v.Assertion.Claims["iss"] != "whoami.localhost" {
			t.Errorf("%s: %s, claims %v", path, v.Caller, v.Assertion.Claims)
		}
		if v.Request.Headers.Get("Authorization") != "" {
			t.Errorf("%s: the application has the caller's token", path)
		}
	}
}

func testDenied(t *testing.T, s stack) {
	for _, test := range []struct {
		user, path string
		status     int
	}{
		{"mallory", "/json", http.StatusForbidden},
		{"bob", "/admin/json", http.StatusForbidden},
		{"", "/json", http.StatusUnauthorized},
	} {
		var header http.Header
		if test.user != "" {
			header = s.token(t, test.user)
		}
		if status, body := s.get(t, test.path, header); status != test.status {
			t.Errorf("%s at %s: %d %s", test.user, test.path, status, body)
		}
	}
}

func testForged(t *testing.T, s stack) {
	header := s.token(t, "bob")
	header.Set("X-User-Groups", "admins")
	header.Set("X-Pomerium-Jwt-Assertion", "forged")
	v := s.view(t, "/json", header)
	if v.Caller != "bob" || !slices.Equal(v.Request.Headers.Values("X-User-Groups"), []string{"staff"}) {
		t.Errorf("%s with %v", v.Caller, v.Request.Headers)
	}
}

func testKeySet(t *testing.T, s stack) {
	if kids, signs := s.published(t), kid(s.view(t, "/json", s.token(t, "alice"))); !slices.Equal(kids, []string{signs}) {
		t.Errorf("%v is published, %s signs", kids, signs)
	}
}

// The assertion's jti leads to privyseal's record and to Envoy's, which writes
// some seconds later.
func testLogs(t *testing.T, s stack) {
	decision := fmt.Sprint(s.view(t, "/json", s.token(t, "alice")).Assertion.Claims["jti"])
	for _, service := range []string{"privyseal", "envoy"} {
		await(t, "decision "+decision+" is in the log of "+service, func() bool {
			return strings.Contains(s.logs(service), decision)
		})
	}
}

// An application sees privyseal's key set, and no other door.
func testApplicationsCannotAsk(t *testing.T, s stack) {
	containers := s.containers(t)
	network := project + "_applications"
	for _, app := range []string{"whoami", "reports"} {
		if on := containers[app].NetworkSettings.Networks; len(on) != 1 || on[network] == nil {
			t.Errorf("%s is on %v", app, on)
		}
		if mounts := containers[app].Mounts; len(mounts) > 0 {
			t.Errorf("%s mounts %v", app, mounts)
		}
	}
	if got := only(containers, mounts("socket")); !slices.Equal(got, []string{"envoy", "privyseal"}) {
		t.Errorf("the socket is mounted by %v", got)
	}
	if got := only(containers, mounts("keys")); !slices.Equal(got, []string{"prepare", "privyseal"}) {
		t.Errorf("the signing key is mounted by %v", got)
	}
	s.docker(t, "run", "--rm", "--network", network, "privyseal-examples:compose", "/probe", "http://privyseal:9080/.well-known/jwks.json")
	for _, port := range []string{"9001", "9080", "9090"} {
		_, err := s.try("docker", "run", "--rm", "--network", network, "privyseal:compose",
			"check", "GET", "http://whoami.localhost/demo/signin", "--address", "privyseal:"+port)
		refused(t, "asking at port "+port, err)
	}
	if open := listening(t, containers["privyseal"].State.Pid); !slices.Equal(open, []string{"9080"}) {
		t.Errorf("privyseal listens beyond loopback at %v", open)
	}
}

// The volume and the socket are for one user: even a container that mounts them
// must be that one.
func testOthersCannotAsk(t *testing.T, s stack) {
	ask := func(user string) error {
		_, err := s.try("docker", "run", "--rm", "--network", "none", "--cap-drop", "ALL", "--user", user,
			"--volume", project+"_socket:/run/privyseal", "privyseal:compose",
			"check", "GET", "http://whoami.localhost/demo/signin", "--address", "unix:///run/privyseal/grpc.sock")
		return err
	}
	if err := ask("65532:65532"); err != nil {
		t.Error(err)
	}
	refused(t, "asking as another user", ask("65533:65532"))
}

// refused holds privyseal's command to its exit status for "no answer".
func refused(t *testing.T, what string, err error) {
	t.Helper()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 3 {
		t.Errorf("%s: %v", what, err)
	}
}

func mounts(volume string) func(container) bool {
	return func(c container) bool {
		return slices.ContainsFunc(c.Mounts, func(m struct{ Name string }) bool { return m.Name == project+"_"+volume })
	}
}

// listening returns the TCP ports at which the network namespace of a process
// listens beyond loopback.
func listening(t *testing.T, pid int) (ports []string) {
	t.Helper()
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line) // sl local_address rem_address st …
			address, port, ok := strings.Cut(fields[1], ":")
			if !ok || fields[3] != "0A" || table == "tcp" && strings.HasSuffix(address, "7F") {
				continue
			}
			var number int
			fmt.Sscanf(port, "%X", &number)
			ports = append(ports, fmt.Sprint(number))
		}
	}
	return ports
}

// What Docker was told, and what the kernel says of the processes.
func testConfined(t *testing.T, s stack) {
	containers := s.containers(t)
	if len(containers) != len(read(t).Services) {
		t.Errorf("%d containers", len(containers))
	}
	for name, c := range containers {
		h := c.HostConfig
		if c.Config.User != "65532:65532" || !h.ReadonlyRootfs || h.Privileged || h.CapAdd != nil ||
			!slices.Equal(h.CapDrop, []string{"ALL"}) || !slices.Equal(h.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s: %+v", name, c)
		}
		if name == "prepare" {
			if c.State.Status != "exited" || c.State.ExitCode != 0 {
				t.Errorf("prepare: %+v", c.State)
			}
			continue
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.State.Pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Uid:\t65532\t65532\t65532\t65532", "Gid:\t65532\t65532\t65532\t65532",
			"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !strings.Contains(string(status), want+"\n") {
				t.Errorf("%s is not %q", name, want)
			}
		}
	}
}

func testPublished(t *testing.T, s stack) {
	var published []string
	for name, c := range s.containers(t) {
		for port, bindings := range c.NetworkSettings.Ports {
			for _, b := range bindings {
				published = append(published, name+" "+b.HostIp+" "+port)
			}
		}
	}
	slices.Sort(published)
	if want := []string{"envoy 127.0.0.1 8000/tcp", "idp 127.0.0.1 9002/tcp"}; !slices.Equal(published, want) {
		t.Errorf("published is %v, not %v", published, want)
	}
}

// The key stays when the stack is stopped and started again.
func testAgain(t *testing.T, s stack) {
	before := s.published(t)
	s.compose(t, nil, "down")
	s.up(t)
	if after := s.published(t); !slices.Equal(after, before) {
		t.Errorf("%v is published, before it was %v", after, before)
	}
}

func testOwnKey(t *testing.T, s stack) {
	key, err := keys.Generate("ES256", nil)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := key.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	s.up(t, "SIGNING_KEY="+base64.StdEncoding.EncodeToString(pem))
	if kids := s.published(t); !slices.Equal(kids, []string{key.KeyID()}) {
		t.Errorf("%v is published, not %s", kids, key.KeyID())
	}
	if signs := kid(s.view(t, "/json", s.token(t, "alice"))); signs != key.KeyID() {
		t.Errorf("%s signs, not %s", signs, key.KeyID())
	}
}

// Nothing is let through while nobody decides.
func testWithoutPrivyseal(t *testing.T, s stack) {
	s.compose(t, nil, "stop", "privyseal")
	if status, _ := s.get(t, "/json", s.token(t, "alice")); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
}

func testDown(t *testing.T, s stack) {
	s.compose(t, nil, "down", "--volumes")
	of := "label=com.docker.compose.project=" + project
	for _, kind := range [][]string{{"ps", "--all"}, {"network", "ls"}, {"volume", "ls"}} {
		if left := s.docker(t, append(kind, "--quiet", "--filter", of)...); left != "" {
			t.Errorf("left: %s", left)
		}
	}
}
