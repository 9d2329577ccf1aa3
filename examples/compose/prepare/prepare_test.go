package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"privyseal/examples/envoy"
)

const root = "../../.."

// stack returns the options that docker-compose.yml gives, with files of the
// test.
func stack(t *testing.T) *options {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services struct {
			Prepare struct {
				Command []string `yaml:"command"`
			} `yaml:"prepare"`
		} `yaml:"services"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	o, err := parse(file.Services.Prepare.Command[1:])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	o.config = filepath.Join(root, "examples", "envoy", "envoy.yaml")
	o.out, o.key = filepath.Join(dir, "envoy.yaml"), filepath.Join(dir, "keys.pem")
	return o
}

func contents(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The stack runs the Envoy configuration of this repository: what differs is
// where things are.
func TestEnvoyConfiguration(t *testing.T) {
	o := stack(t)
	if err := o.run(); err != nil {
		t.Fatal(err)
	}
	before, after := strings.Split(contents(t, o.config), "\n"), strings.Split(contents(t, o.out), "\n")
	if len(before) != len(after) {
		t.Fatalf("%d lines have become %d", len(before), len(after))
	}
	changed := 0
	for i := range after {
		if before[i] == after[i] {
			continue
		}
		changed++
		if !strings.Contains(after[i], "address: ") && after[i] != "    type: STATIC" {
			t.Errorf("line %d became %s", i+1, after[i])
		}
	}
	if changed != 6 {
		t.Errorf("%d lines changed, not five addresses and one type of cluster", changed)
	}
	binary, err := envoy.Find(t.Context(), filepath.Join(root, ".cache"))
	if err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command(binary, "--mode", "validate", "--config-path", o.out).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// A configuration that is written otherwise is refused, not half changed.
func TestUnknownConfiguration(t *testing.T) {
	config := contents(t, filepath.Join(root, "examples", "envoy", "envoy.yaml"))
	for _, other := range []string{
		strings.Replace(config, cluster, "  - name: other\n    type: STRICT_DNS\n", 1),
		strings.Replace(config, endpoint, "socket_address: {address: 127.0.0.1, port_value: 9005}", 1),
		config + endpoint,
	} {
		if _, err := adapt(other, "/s", nil); err == nil {
			t.Error("accepted")
		}
	}
	if _, err := parse([]string{"127.0.0.1:1"}); err == nil {
		t.Error("an address without another is accepted")
	}
}

// The key is for its owner, and starting the stack again keeps it.
func TestKeyIsKept(t *testing.T) {
	o := stack(t)
	if err := o.run(); err != nil {
		t.Fatal(err)
	}
	first := contents(t, o.key)
	if info, err := os.Stat(o.key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := o.run(); err != nil {
		t.Fatal(err)
	}
	if contents(t, o.key) != first {
		t.Error("the key was replaced")
	}
}
