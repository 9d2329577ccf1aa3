package envoy_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"privyseal"
	"privyseal/authz"
)

// privyseal's configuration and Envoy's speak of the same headers: what
// privyseal sets, Envoy removes from what clients send and lets privyseal
// change.
func TestConfigurationsAgree(t *testing.T) {
	c, err := privyseal.Load(privyseal.LoadOptions{Path: filepath.Join("..", "privyseal", "privyseal.yaml"), Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	config := read(t, "envoy.yaml")
	expression := regexp.MustCompile(`allow_expression: \{regex: "([^"]*)"`).FindStringSubmatch(config)
	if expression == nil {
		t.Fatal("no allow_expression")
	}
	allowed := regexp.MustCompile("^(?:" + expression[1] + ")$") // Envoy matches whole names
	headers := []string{c.Assertion.Header, authz.DefaultHeader + "-for"}
	for header := range c.Assertion.ClaimHeaders {
		headers = append(headers, header)
	}
	if len(headers) < 4 {
		t.Errorf("the configuration sets only %v", headers)
	}
	for _, header := range headers {
		if !strings.Contains(config, "- remove: "+header+"\n") {
			t.Errorf("Envoy lets clients send %s", header)
		}
		for _, spelling := range []string{header, strings.ReplaceAll(header, "-", "_")} {
			if !allowed.MatchString(spelling) {
				t.Errorf("Envoy lets nobody change %s", spelling)
			}
		}
	}
	for _, other := range []string{"host", ":path", "content-length", "x-envoy-internal", "x-forwarded-for", "my-x-user-email"} {
		if allowed.MatchString(other) {
			t.Errorf("Envoy lets privyseal change %s", other)
		}
	}
}
