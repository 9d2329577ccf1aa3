//go:build compose

package compose

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"privyseal/examples/whoami"
)

const project = "privyseal-test"

// stack is docker-compose.yml at work.
type stack struct{ *daemon }

func (s stack) compose(t *testing.T, environ []string, args ...string) {
	t.Helper()
	if _, err := s.tryWith(environ, "docker-compose", append([]string{"--project-name", project}, args...)...); err != nil {
		t.Fatalf("%v\n%s", err, s.logs())
	}
}

// logs returns the end of what services wrote, by default all.
func (s stack) logs(services ...string) string {
	output, _ := s.try("docker-compose", append([]string{"--project-name", project, "logs", "--no-color", "--tail", "40"}, services...)...)
	return output
}

// up starts the stack, or changes it, and waits until every container is
// healthy.
func (s stack) up(t *testing.T, environ ...string) {
	t.Helper()
	s.compose(t, environ, "up", "--detach", "--no-build")
	await(t, "all containers are healthy", func() bool {
		for name, c := range s.containers(t) {
			if c.State.Status != "running" && name != "prepare" {
				t.Fatalf("%s is %s\n%s", name, c.State.Status, s.logs())
			}
			if name != "prepare" && c.State.Health.Status != "healthy" {
				return false
			}
		}
		return true
	})
}

// container is what of docker inspect the tests read.
type container struct {
	State struct {
		Status   string
		Pid      int
		ExitCode int
		Health   struct{ Status string }
	}
	Config struct {
		User   string
		Labels map[string]string
	}
	HostConfig struct {
		ReadonlyRootfs, Privileged bool
		CapAdd, CapDrop            []string
		SecurityOpt                []string
	}
	NetworkSettings struct {
		Ports    map[string][]struct{ HostIp string }
		Networks map[string]any
	}
	Mounts []struct{ Name string }
}

// containers returns the project's containers by service.
func (s stack) containers(t *testing.T) map[string]container {
	t.Helper()
	ids := strings.Fields(s.docker(t, "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project="+project))
	var list []container
	if err := json.Unmarshal([]byte(s.docker(t, append([]string{"inspect"}, ids...)...)), &list); err != nil {
		t.Fatal(err)
	}
	byService := map[string]container{}
	for _, c := range list {
		byService[c.Config.Labels["com.docker.compose.service"]] = c
	}
	return byService
}

// get calls an application through Envoy.
func (s stack) get(t *testing.T, path string, header http.Header) (status int, body string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:8000"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "whoami.localhost:8000"
	r.Header = header
	return s.do(t, r)
}

// token gets the token of a person from the identity provider.
func (s stack) token(t *testing.T, user string) http.Header {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:9002/token?user="+user, nil)
	if err != nil {
		t.Fatal(err)
	}
	status, token := s.do(t, r)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, token)
	}
	return http.Header{"Authorization": {"Bearer " + strings.TrimSpace(token)}}
}

func (s stack) do(t *testing.T, r *http.Request) (status int, body string) {
	t.Helper()
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// view calls an application and returns what it shows.
func (s stack) view(t *testing.T, path string, header http.Header) whoami.View {
	t.Helper()
	status, body := s.get(t, path, header)
	var v whoami.View
	if err := json.Unmarshal([]byte(body), &v); err != nil || status != http.StatusOK || v.Verdict != whoami.Valid {
		t.Fatalf("%d %v %s", status, err, body)
	}
	return v
}

// published returns the kids of the key set on the application's own host.
func (s stack) published(t *testing.T) (kids []string) {
	t.Helper()
	status, body := s.get(t, "/.well-known/jwks.json", nil)
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal([]byte(body), &set); err != nil || status != http.StatusOK {
		t.Fatalf("%d %v %s", status, err, body)
	}
	for _, key := range set.Keys {
		kids = append(kids, key.Kid)
	}
	return kids
}

func kid(v whoami.View) string { return fmt.Sprint(v.Assertion.Header["kid"]) }

// only returns the services for which something holds, sorted.
func only(containers map[string]container, holds func(container) bool) (names []string) {
	for name, c := range containers {
		if holds(c) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
