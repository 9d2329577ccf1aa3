// Package compose tests docker-compose.yml. With the tag compose it runs the
// stack, on a Docker daemon of its own: as root, with Debian's docker.io and
// docker-compose installed, and without a network.
package compose

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"privyseal/examples/envoy"
)

const root = "../.."

// file is what of docker-compose.yml these tests read.
type file struct {
	Services map[string]service        `yaml:"services"`
	Networks map[string]map[string]any `yaml:"networks"`
	Volumes  map[string]any            `yaml:"volumes"`
}

type service struct {
	Image       string            `yaml:"image"`
	Build       map[string]string `yaml:"build"`
	User        string            `yaml:"user"`
	ReadOnly    bool              `yaml:"read_only"`
	CapDrop     []string          `yaml:"cap_drop"`
	CapAdd      []string          `yaml:"cap_add"`
	Privileged  bool              `yaml:"privileged"`
	SecurityOpt []string          `yaml:"security_opt"`
	Pids        int               `yaml:"pids_limit"`
	Memory      string            `yaml:"mem_limit"`
	NetworkMode string            `yaml:"network_mode"`
	Networks    any               `yaml:"networks"` // a list or a mapping
	Ports       []string          `yaml:"ports"`
	Volumes     []string          `yaml:"volumes"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Health      map[string]any    `yaml:"healthcheck"`
}

func read(t *testing.T) (f file) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text(t, "docker-compose.yml")), &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Services) < 6 {
		t.Fatalf("only %d services", len(f.Services))
	}
	return f
}

func text(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// on returns the networks of a service.
func (s service) on() (names []string) {
	switch networks := s.Networks.(type) {
	case []any:
		for _, name := range networks {
			names = append(names, name.(string))
		}
	case map[string]any:
		for name := range networks {
			names = append(names, name)
		}
	}
	return names
}

// mounting returns the services that mount a volume or a path.
func (f file) mounting(source string) (names []string) {
	for name, s := range f.Services {
		for _, volume := range s.Volumes {
			if strings.HasPrefix(volume, source+":") {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// Every container runs as nobody in particular, cannot write to its image, and
// has no capability to lose.
func TestServicesAreHardened(t *testing.T) {
	for name, s := range read(t).Services {
		if s.User != "65532:65532" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.CapAdd != nil || s.Privileged ||
			!slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) || s.Pids == 0 || s.Memory == "" {
			t.Errorf("%s: %+v", name, s)
		}
		if name != "prepare" && s.Health["test"] == nil {
			t.Errorf("%s has no health check", name)
		}
	}
}

// Only this machine reaches the stack.
func TestPortsAreLoopback(t *testing.T) {
	f := read(t)
	published := 0
	for name, s := range f.Services {
		for _, port := range s.Ports {
			published++
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s publishes %s", name, port)
			}
		}
		if s.NetworkMode != "" && s.NetworkMode != "none" {
			t.Errorf("%s has network mode %s", name, s.NetworkMode)
		}
	}
	if published != 2 {
		t.Errorf("%d ports are published, not Envoy's and the identity provider's", published)
	}
}

// Who may ask privyseal can have any assertion made: that is Envoy. Who has the
// key could make them itself: that is privyseal.
func TestOnlyEnvoyMayAsk(t *testing.T) {
	f := read(t)
	privyseal := f.Services["privyseal"]
	if address := privyseal.Environment["PRIVYSEAL_LISTEN_GRPC"]; address != "unix:///run/privyseal/grpc.sock" {
		t.Errorf("listen.grpc is %q", address)
	}
	if strings.Contains(text(t, "docker-compose.yml")+text(t, "examples/privyseal/privyseal.yaml"), "insecure_grpc") {
		t.Error("insecure_grpc is there")
	}
	for source, want := range map[string][]string{"socket": {"envoy", "privyseal"}, "keys": {"prepare", "privyseal"}, "/var/run/docker.sock": nil} {
		if got := f.mounting(source); !slices.Equal(got, want) {
			t.Errorf("%s is mounted by %v, not %v", source, got, want)
		}
	}
	for _, app := range []string{"whoami", "reports"} {
		if on := f.Services[app].on(); !slices.Equal(on, []string{"applications"}) {
			t.Errorf("%s is on %v", app, on)
		}
	}
	if slices.Contains(f.Services["idp"].on(), "applications") {
		t.Error("applications reach the identity provider, which makes anybody a token")
	}
	if f.Networks["applications"]["internal"] != true {
		t.Error("applications has a way out")
	}
}

// What is mounted from the repository is there, and cannot be written to.
func TestMounts(t *testing.T) {
	f := read(t)
	for name, s := range f.Services {
		for _, volume := range s.Volumes {
			source, rest, _ := strings.Cut(volume, ":")
			if !strings.HasPrefix(source, ".") {
				if _, declared := f.Volumes[source]; !declared {
					t.Errorf("%s: there is no volume %s", name, source)
				}
				continue
			}
			if _, err := os.Stat(filepath.Join(root, source)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !strings.HasSuffix(rest, ":ro") {
				t.Errorf("%s may write to %s", name, source)
			}
		}
	}
}

// Nothing changes by itself: Envoy is the one that the tests run, Go a release.
func TestPins(t *testing.T) {
	f := read(t)
	dockerfile := text(t, "cmd/privyseal/Dockerfile")
	for name, s := range f.Services {
		want := "envoyproxy/envoy:v" + envoy.Version
		if s.Build != nil {
			want = "privyseal-examples:compose"
			if name == "privyseal" {
				want = "privyseal:compose"
			}
			if !strings.Contains(dockerfile, "FROM scratch AS "+s.Build["target"]+"\n") || s.Build["dockerfile"] != "cmd/privyseal/Dockerfile" {
				t.Errorf("%s is built as %v", name, s.Build)
			}
		}
		if s.Image != want {
			t.Errorf("%s has image %s, not %s", name, s.Image, want)
		}
	}
	pinned := regexp.MustCompile(`^(scratch|golang:\d+\.\d+\.\d+-\w+) AS \w+$`)
	for line := range strings.Lines(dockerfile) {
		if from, ok := strings.CutPrefix(strings.TrimSpace(line), "FROM "); ok && !pinned.MatchString(from) {
			t.Errorf("the Dockerfile begins a stage with %s", from)
		}
	}
}
