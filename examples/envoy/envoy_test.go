package envoy_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"privyseal/examples/envoy"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Envoy itself accepts the configuration.
func TestConfigurationIsValid(t *testing.T) {
	binary, err := envoy.Find(t.Context(), "../../.cache")
	if err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command(binary, "--mode", "validate", "--config-path", "envoy.yaml").CombinedOutput()
	if err != nil || strings.Contains(string(output), "[warning]") {
		t.Errorf("%v\n%s", err, output)
	}
}

// Every address can be replaced, so the file serves wherever its parts are.
func TestReaddress(t *testing.T) {
	config := read(t, "envoy.yaml")
	replaced, err := envoy.Readdress(config, map[string]string{
		"127.0.0.1:9901": "127.0.0.1:1", "127.0.0.1:8000": "0.0.0.0:2", "127.0.0.1:8001": "127.0.0.1:3",
		"127.0.0.1:9001": "privyseal:9001", "127.0.0.1:9080": "privyseal:9080",
		"127.0.0.1:9003": "127.0.0.1:9004", "127.0.0.1:9004": "127.0.0.1:9003", // exchanged, not one after the other
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(replaced, "port_value"); n != strings.Count(config, "port_value") || strings.Count(replaced, "address: 127.0.0.1,") != 4 {
		t.Errorf("not all replaced:\n%s", replaced)
	}
	for _, want := range []string{"address: privyseal, port_value: 9001}", "address: 127.0.0.1, port_value: 9003}", "address: 127.0.0.1, port_value: 9004}"} {
		if strings.Count(replaced, want) != 1 {
			t.Errorf("%q is there %d times", want, strings.Count(replaced, want))
		}
	}
	if _, err := envoy.Readdress(config, map[string]string{"127.0.0.1:12": "127.0.0.1:13"}); err == nil {
		t.Error("an address that is not there is replaced")
	}
}
