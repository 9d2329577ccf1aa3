package privyseal

import (
	"strings"
	"testing"
)

// A configuration that binds assertions and shares them does not start, and is
// told which line to change.
func TestBindingExcludesReuse(t *testing.T) {
	const source = `version: 1
identity: [{envoy_metadata: {name: corp, namespace: envoy.filters.http.jwt_authn, key: payload, issuer: https://idp.example, audiences: [api]}}]
rules:
  - {name: app, match: {hosts: [app.example]}, bind: [path], allow: {from: [corp]}}
assertion: {reuse: REUSE}
`
	validate := func(reuse string) error {
		return Validate(LoadOptions{Source: []byte(strings.Replace(source, "REUSE", reuse, 1)), Folder: t.TempDir(), Environ: []string{}})
	}
	if err := validate("0s"); err != nil {
		t.Error(err)
	}
	err := validate("1s")
	if err == nil || !strings.Contains(err.Error(), "contradicts assertion.reuse") || !strings.Contains(err.Error(), "bind: [path]") {
		t.Error(err)
	}
}
