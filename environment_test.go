package privyseal

import (
	"strings"
	"testing"
	"time"
)

func TestEnvironmentVariables(t *testing.T) {
	var got []string
	for _, v := range EnvironmentVariables() {
		got = append(got, v.Name+" "+v.Option)
	}
	want := `SIGNING_KEY signing_key
SIGNING_KEY_FILE signing_key_file
PRIVYSEAL_LISTEN_GRPC listen.grpc.address
PRIVYSEAL_LISTEN_HTTP listen.http.address
PRIVYSEAL_LISTEN_ADMIN listen.admin.address
PRIVYSEAL_INSECURE_GRPC insecure_grpc
PRIVYSEAL_ISSUER issuer
PRIVYSEAL_PUBLISH_BEFORE publish_before
PRIVYSEAL_HOLD_NEW_KEY hold_new_key
PRIVYSEAL_ASSERTION_HEADER assertion.header
PRIVYSEAL_ASSERTION_TTL assertion.ttl
PRIVYSEAL_ASSERTION_REUSE assertion.reuse
PRIVYSEAL_ASSERTION_MAX_BYTES assertion.max_bytes
PRIVYSEAL_ASSERTION_ON_OVERFLOW assertion.on_overflow
PRIVYSEAL_LOG_LEVEL log.level`
	if strings.Join(got, "\n") != want {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), want)
	}
}

func TestEnvironmentReplacesTheFile(t *testing.T) {
	c := load(t, `
version: 1
issuer: uri
listen: {grpc: 127.0.0.1:1, http: {address: ":2", tls: {cert: a, key: b}}}
assertion: {ttl: 1m, reuse: 2s}
signing_key_file: keys.pem
`,
		"PRIVYSEAL_ISSUER=uri-bare", "PRIVYSEAL_LISTEN_GRPC=127.0.0.1:9", "PRIVYSEAL_LISTEN_HTTP=:8",
		"PRIVYSEAL_ASSERTION_TTL=30s", "PRIVYSEAL_ASSERTION_MAX_BYTES=2048", "PRIVYSEAL_HOLD_NEW_KEY=true",
		"PRIVYSEAL_LOG_LEVEL=", "SIGNING_KEY=from the ${environment}")
	if c.Issuer != "uri-bare" || c.Listen.GRPC.Address != "127.0.0.1:9" || c.Listen.HTTP.Address != ":8" || c.Listen.HTTP.TLS == nil {
		t.Errorf("%+v", c)
	}
	if a := c.Assertion; a.TTL != 30*time.Second || a.Reuse != 2*time.Second || a.MaxBytes != 2048 || !c.HoldNewKey || c.Log.Level != "info" {
		t.Errorf("%+v", c)
	}
	if c.SigningKey != "from the ${environment}" || c.SigningKeyFile != "" {
		t.Error("SIGNING_KEY does not replace signing_key_file, or was expanded")
	}
}

func TestSigningKeyFileOfTheEnvironment(t *testing.T) {
	c := load(t, "version: 1\nsigning_key: abc\n", "SIGNING_KEY_FILE=keys.pem", "SIGNING_KEY=")
	if c.SigningKeyFile != "keys.pem" || c.SigningKey != "" { // relative to the working directory
		t.Errorf("SigningKeyFile = %q", c.SigningKeyFile)
	}
	c = load(t, "version: 1\nsigning_key: ''\nsigning_key_file: keys.pem\n", "SIGNING_KEY=", "SIGNING_KEY_FILE=")
	if c.SigningKeyFile != "/etc/privyseal/keys.pem" {
		t.Errorf("SigningKeyFile = %q", c.SigningKeyFile)
	}
	if got := mistakes(t, "version: 1\nsigning_key: a\nsigning_key_file: b\n", "SIGNING_KEY=c"); !strings.Contains(got, "signing_key_file: cannot be given beside") {
		t.Error(got)
	}
}

func TestEnvironmentMistakes(t *testing.T) {
	const secret = "hunter2-hunter2"
	for variable, want := range map[string]string{
		"PRIVYSEAL_ISUER=" + secret:          "environment variable PRIVYSEAL_ISUER: is none that sets an option\nhint: did you mean PRIVYSEAL_ISSUER?",
		"PRIVYSEAL_RULES=" + secret:          "hint: unset it, or set the option in the file",
		"PRIVYSEAL_SIGNING_KEY=" + secret:    "environment variable PRIVYSEAL_SIGNING_KEY: is none",
		"PRIVYSEAL_ASSERTION_TTL=" + secret:  "environment variable PRIVYSEAL_ASSERTION_TTL: assertion.ttl: \"${PRIVYSEAL_ASSERTION_TTL}\" is not a duration",
		"PRIVYSEAL_ASSERTION_MAX_BYTES=6k":   "environment variable PRIVYSEAL_ASSERTION_MAX_BYTES: assertion.max_bytes: is text, not a whole number",
		"PRIVYSEAL_INSECURE_GRPC=yes":        "environment variable PRIVYSEAL_INSECURE_GRPC: insecure_grpc: is text, not true or false",
		"PRIVYSEAL_ISSUER=" + secret:         "environment variable PRIVYSEAL_ISSUER: issuer: is neither",
		"PRIVYSEAL_LISTEN_GRPC=0.0.0.0:9001": "environment variable PRIVYSEAL_LISTEN_GRPC: listen.grpc: is open to others",
		"PRIVYSEAL_LISTEN_HTTP=" + secret:    "environment variable PRIVYSEAL_LISTEN_HTTP: listen.http.address: is not an address",
		"PRIVYSEAL_LOG_LEVEL=" + secret:      "environment variable PRIVYSEAL_LOG_LEVEL: log.level: is none of",
		"PRIVYSEAL_LISTEN_PORT=9001":         "environment variable PRIVYSEAL_LISTEN_PORT: is none",
		"SIGNING_KEY_FILE=" + secret:         "environment variable SIGNING_KEY_FILE: is set beside SIGNING_KEY",
	} {
		got := mistakes(t, "version: 1\nlisten: {admin: ''}\n", variable, "SIGNING_KEY="+secret)
		if !strings.Contains(got, want) {
			t.Errorf("%s:\n%s\nwant:\n%s", variable, got, want)
		}
		if strings.Contains(got, secret) {
			t.Errorf("%s: a value is shown:\n%s", variable, got)
		}
	}
}

// TestKubernetesServiceLinks: a Service whose name begins with ours puts
// variables into every container of its namespace.
func TestKubernetesServiceLinks(t *testing.T) {
	load(t, "version: 1\n",
		"PRIVYSEAL_SERVICE_HOST=10.0.0.1", "PRIVYSEAL_SERVICE_PORT=9001", "PRIVYSEAL_SERVICE_PORT_GRPC=9001",
		"PRIVYSEAL_PORT=tcp://10.0.0.1:9001", "PRIVYSEAL_PORT_9001_TCP=tcp://10.0.0.1:9001",
		"PRIVYSEAL_PORT_9001_TCP_PROTO=tcp", "PRIVYSEAL_PORT_9001_TCP_PORT=9001", "PRIVYSEAL_PORT_9001_TCP_ADDR=10.0.0.1",
		"PRIVYSEAL_GRPC_SERVICE_HOST=10.0.0.2", "PRIVYSEAL_GRPC_PORT=tcp://10.0.0.2:9001")
}
