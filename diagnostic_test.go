package privyseal

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"privyseal/authz"
	"privyseal/authz/policy"
)

// TestProblems: what other packages find wrong with their options is shown where
// it was written.
func TestProblems(t *testing.T) {
	c := load(t, `version: 1
rules:
  - name: a
    match: {hosts: [a.example, "${HOST}"]}
    allow: {from: [corp], groups: [x]}
assertion:
  claim_headers: {x-a.b: email, x-a: "${SET}"}
identity:
  - jwt: {name: corp}
`, "HOST=https://secret.example", "PRIVYSEAL_ASSERTION_TTL=10m")
	at := func(path, message string) error { return &authz.OptionError{Path: path, Err: errors.New(message)} }
	for _, test := range []struct {
		err  error
		want string
	}{
		{at("rules[0].match.hosts[0]", "is wrong"), "4:21: rules[0].match.hosts[0]: is wrong"},
		{&authz.OptionError{Path: "rules", Err: at("[0].match", "is wrong")}, "4:5: rules[0].match: is wrong"},
		{&authz.OptionError{Path: "assertion", Err: errors.Join(at("claim_headers", "is wrong"))}, "7:3: assertion.claim_headers: is wrong"},
		{fmt.Errorf("compiling: %w", at("rules[0].name", "is wrong")), "3:11: rules[0].name: is wrong"},
		{at("rules[0].allow[0].groups[0]", "is wrong"), "5:36: rules[0].allow[0].groups[0]: is wrong"},
		{at("rules[0].audience", "is missing"), "3:5: rules[0].audience: is missing"},
		{at("rules[7].audience", "is missing"), "2:1: rules[7].audience: is missing"},
		{at("identity[0].jwt.issuer", "is missing"), "9:5: identity[0].jwt.issuer: is missing"},
		{at("assertion.claim_headers.x-a.b", "is wrong"), "7:26: assertion.claim_headers.x-a.b: is wrong"},
		{at("assertion.claim_headers.x-a", "is wrong"), "7:38: assertion.claim_headers.x-a: is wrong"},
		{at("assertion.ttl", "is long"), "environment variable PRIVYSEAL_ASSERTION_TTL: assertion.ttl: is long"},
		{at("rules[0].match.hosts[1]", `"https://secret.example" is wrong`), `4:32: rules[0].match.hosts[1]: "${HOST}" is wrong`},
		{at("rules", "https://secret.example is wrong"), "2:1: rules: ${HOST} is wrong"},
		{errors.New("no place"), "no place"},
	} {
		got, _, _ := strings.Cut(c.Problems(test.err).Error(), "\n")
		if got = strings.TrimPrefix(got, "/etc/privyseal/privyseal.yaml:"); !strings.HasSuffix(got, test.want) {
			t.Errorf("%v:\n got %s\nwant %s", test.err, got, test.want)
		}
	}
	both := c.Problems(errors.Join(errors.New("none"), at("assertion", "later"), at("rules", "earlier")))
	if len(both) != 3 || both[0].Path != "rules" || both[2].Message != "none" {
		t.Errorf("not in the order of the file: %v", both)
	}
	if c.Problems(nil) != nil {
		t.Error("no error is a problem")
	}
}

// TestMistakesOfRules: a mistake that policy.Compile finds has its line.
func TestMistakesOfRules(t *testing.T) {
	c := load(t, `version: 1
rules:
  - name: orders
    match:
      hosts: ["https://x"]
    allow: {authenticated: true}
`)
	_, err := policy.Compile(c.Rules, policy.Env{Sources: []policy.Source{{Name: "corp"}}})
	got := c.Problems(&authz.OptionError{Path: "rules", Err: err}).Error()
	if !strings.HasPrefix(got, "/etc/privyseal/privyseal.yaml:5:15: rules[0].match.hosts[0]: ") ||
		!strings.Contains(got, "\n  5 |       hosts: [\"https://x\"]\n    |               ^") {
		t.Error(got)
	}
}

func TestProblemsWithoutFile(t *testing.T) {
	c, err := Load(LoadOptions{Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	(&Config{}).Problems(&authz.OptionError{Path: "rules[0]", Err: errors.New("is empty")})
	got := c.Problems(&authz.OptionError{Path: "rules", Err: errors.New("is empty")}).Error()
	if got != "rules: is empty" {
		t.Error(got)
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	const secret = "hunter2-hunter2"
	for _, source := range []string{
		"signing_key: " + secret + "\nissuer: [\n",
		"signing_key: '" + secret,
		"\"signing_key\": " + secret + ": x\n",
		"Signing_Key: " + secret + "\n",
		"SIGNING_KEY=" + secret + "\n",
		"signing-key: " + secret + "\n",
		"signing_keys: " + secret + "\n",
		"signingkey: [" + secret + "\n",
		"signing_key: |\n  " + secret + "\n x\n",
		"signing_key: |\n" + secret + "\n",
		"signing_key: >-\n\n\t" + secret + "\n",
		"signing_key:\n  " + secret + "\n - a\n",
		"signing_key:\n  - " + secret + "\n",
		"signing_key:\n  a: 1\n  " + secret + "\n",
		"listen: {signing_key: " + secret + "}\n",
		"version: 1\nsigning_key: &a " + secret + "\n",
		"version: 1\nsigning_key: !x " + secret + "\n",
		"version: 1\nsigning_key: ${" + secret + "}\n",
		"version: 1\nsigning_key: ${NONE:-" + secret + "}\nsigning_key_file: b\n",
		"version: 1\nsigning_key_fil: " + secret + "\n",
		"version: 1\nclient_secret: " + secret + "\n",
		"version: 1\nlog: {level: " + secret + "}\nissuer: ${SECRET}\nlisten: {grpc: '${SECRET}'}\n",
	} {
		got := mistakes(t, source, "SECRET=environment-value")
		if strings.Contains(got, secret) && !strings.Contains(source, "log:") || strings.Contains(got, "environment-value") {
			t.Errorf("%q:\n%s", source, got)
		}
	}
	key := strings.Repeat("MHcCAQEE", 8)
	if got := mistakes(t, "version: 1\nissuer: "+key+"\nlog: "+key+"\n"); strings.Contains(got, "MHcC") {
		t.Errorf("what looks like a key is shown:\n%s", got)
	}
}

func TestDiagnosticsAreBounded(t *testing.T) {
	many := "version: 1\n" + strings.Repeat("rules: 1\n", 2000)
	if got := mistakes(t, many); strings.Count(got, "\n") > 4*maxDiagnostics || !strings.Contains(got, "may be more") {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
	if got := mistakes(t, strings.Repeat("rules: 1\n", maxConfigEntries+1)); !strings.Contains(got, "20001:1: has more than 20000 entries") {
		t.Error(got)
	}
	for _, deep := range []string{strings.Repeat("[", 1<<12), strings.Repeat("{a: ", 1<<12), strings.Repeat("- ", 1<<12)} {
		if got := mistakes(t, "version: 1\nrules: \n  "+deep); !strings.Contains(got, "is nested more than 32 deep") {
			t.Error(got)
		}
	}
	long := "version: 1\nissuer: {" + strings.Repeat("a: b, ", 2000) + "\n"
	name := "version: 1\nassertion: {claim_headers: {" + strings.Repeat("x", 10000) + ": []}}\n"
	for line := range strings.Lines(mistakes(t, long) + "\n" + mistakes(t, name)) {
		if len(line) > 500 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if got := mistakes(t, "version: 1\n# "+strings.Repeat("x", maxConfigBytes)); got != "privyseal.yaml: is larger than 1048576 bytes" {
		t.Error(got)
	}
}

func TestDiagnosticsDoNotControlTheTerminal(t *testing.T) {
	if got := mistakes(t, `{version: 1, assertion: {claim_headers: {"\e[2J": [a]}}}`); strings.Contains(got, "\x1b") {
		t.Errorf("%q", got)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"issuer", "identity", "rules", "log"}
	for name, want := range map[string]string{
		"isuer": "issuer", "isssuer": "issuer", "isseur": "issuer", "Rules": "rules", "rule": "rules",
		"issue_rs": "issuer", "lgo": "log", "x": "", "roles": "rules", "entity": "identity", "keys": "", "": "",
	} {
		if got := nearest(name, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

// FuzzLoad: no text makes Load panic, run away or show a secret.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"version: 1\n", "rules:\n  - {name: a}\n", "a: |\n", "x: \"", "- - -", "[{", "? a\n: b", "&a *a <<: !t", "\t", "${A:-b}$$"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		source := before + "\nsigning_key: zq9-secret-9qz\n" + after
		_, err := Load(LoadOptions{Source: []byte(source), Environ: []string{}, ReadFile: noFile})
		if err != nil && strings.Contains(err.Error(), "zq9-secret-9qz") {
			t.Errorf("shown: %v", err)
		}
	})
}
