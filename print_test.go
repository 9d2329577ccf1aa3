package privyseal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func printed(t *testing.T, c *Config, origins bool) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Print(&b, origins); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPrintedConfigurationIsTheSame loads what Print writes.
func TestPrintedConfigurationIsTheSame(t *testing.T) {
	files, _ := filepath.Glob("testdata/config/good/*.yaml")
	for _, file := range files {
		c, err := Load(LoadOptions{Path: file, Environ: environ()})
		if err != nil {
			t.Fatal(err)
		}
		text := printed(t, c, false)
		again, err := Load(LoadOptions{Source: []byte(text), Folder: "testdata/config/good", Environ: environ()})
		if err != nil {
			t.Errorf("%s:\n%v\n%s", file, err, text)
			continue
		}
		c.origin, again.origin = document{}, document{}
		if !reflect.DeepEqual(c, again) {
			t.Errorf("%s:\n%s\n got %+v\nwant %+v", file, text, *again, *c)
		}
	}
}

// TestPrintedValuesAreNotReferences: the environment may hold what would be one
// in a file.
func TestPrintedValuesAreNotReferences(t *testing.T) {
	const issuer = "https://idp.example/${A}$$"
	c := load(t, printed(t, load(t, "version: 1\n", "PRIVYSEAL_ISSUER="+issuer), false))
	if c.Issuer != issuer {
		t.Errorf("issuer %q became %q", issuer, c.Issuer)
	}
}

func TestPrint(t *testing.T) {
	c := load(t, `
version: 1
signing_key: hunter2-hunter2
issuer: ${ISSUER:-uri}
rules: [{name: a, match: {hosts: ["*.example", "1.2"]}, explain: "a: b # c", public: true, deny: {groups: []}}]
`, "ISSUER=https://from-the-environment.example", "PRIVYSEAL_ASSERTION_TTL=1m", "PRIVYSEAL_LISTEN_HTTP=:80")
	got := printed(t, c, true)
	want := `version: 1 # line 2
listen:
  grpc: 127.0.0.1:9001 # default
  http: ":80" # environment variable PRIVYSEAL_LISTEN_HTTP
  admin: 127.0.0.1:9090 # default
insecure_grpc: false # default
issuer: ${ISSUER:-uri} # line 4
signing_key: "****" # line 3
signing_key_file: "" # default
publish_before: 15m # default
hold_new_key: false # default
identity: [] # default
rules:
  - name: a # line 5
    match:
      hosts:
        - "*.example" # line 5
        - "1.2" # line 5
    public: true # line 5
    explain: "a: b # c" # line 5
    deny:
      - groups: [] # line 5
assertion:
  header: x-pomerium-jwt-assertion # default
  ttl: 1m # environment variable PRIVYSEAL_ASSERTION_TTL
  reuse: 0s # default
  max_bytes: 6144 # default
  on_overflow: deny # default
log:
  level: info # default
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestPrintNeverShowsASecret(t *testing.T) {
	for _, key := range []string{"hunter2", "${NONE:-hunter2}", "${HUNTER}", "x${HUNTER}hunter2"} {
		c := load(t, "version: 1\nsigning_key: "+key+"\n", "HUNTER=hunter2")
		if got := printed(t, c, true); strings.Contains(got, "hunter2") {
			t.Errorf("%s:\n%s", key, got)
		}
	}
	c := load(t, "version: 1\n", "SIGNING_KEY=hunter2")
	logged, err := json.Marshal(c)
	if text := fmt.Sprintf("%v %+v %s %s", c, c, c, logged); err != nil || strings.Contains(text, "hunter2") {
		t.Errorf("%s, %v", text, err)
	}
	if got := printed(t, c, true); strings.Contains(got, "hunter2") || !strings.Contains(got, "# environment variable SIGNING_KEY") {
		t.Error(got)
	}
}
