package privyseal

import (
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
)

// load loads a configuration that refers to nothing outside itself.
func load(t *testing.T, source string, environ ...string) *Config {
	t.Helper()
	c, err := Load(LoadOptions{Path: "/etc/privyseal/privyseal.yaml", Source: []byte(source), Environ: append(environ, "SET=1"), ReadFile: noFile})
	if err != nil {
		t.Fatalf("Load:\n%v", err)
	}
	return c
}

// mistakes loads a configuration that is wrong.
func mistakes(t *testing.T, source string, environ ...string) string {
	t.Helper()
	_, err := Load(LoadOptions{Path: "privyseal.yaml", Source: []byte(source), Environ: append(environ, "SET=1"), ReadFile: noFile})
	if err == nil {
		t.Fatalf("Load accepts\n%s", source)
	}
	if _, ok := err.(Diagnostics); !ok {
		t.Fatalf("Load returns a %T", err)
	}
	return err.Error()
}

func noFile(name string) ([]byte, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func TestDefaults(t *testing.T) {
	c, err := Load(LoadOptions{Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if !c.loopbackOnly() || c.Listen.GRPC.Address != "127.0.0.1:9001" || c.PublishBefore != 15*time.Minute || c.Issuer != "host" {
		t.Errorf("defaults: %+v", c)
	}
	if c.Assertion.Header != authz.DefaultHeader || c.Assertion.TTL != 5*time.Minute || len(c.Rules) != 0 {
		t.Errorf("defaults: %+v", c)
	}
	if len(c.Files()) != 0 {
		t.Errorf("Files() = %q", c.Files())
	}
}

func TestMissingFileIsTold(t *testing.T) {
	_, err := Load(LoadOptions{Path: "absent.yaml", Environ: []string{}})
	if err == nil || !strings.Contains(err.Error(), "absent.yaml") {
		t.Errorf("Load: %v", err)
	}
}

func TestAbsentAndEmptyListsDiffer(t *testing.T) {
	c, err := Load(LoadOptions{Path: "testdata/config/good/clauses.yaml", Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	one := c.Rules[0].Allow
	if len(one) != 1 || !slices.Equal(one[0].From, []string{"corp"}) {
		t.Fatalf("one mapping is not a list of one: %+v", one)
	}
	if one[0].Groups == nil || one[0].Emails != nil {
		t.Errorf("groups: [] is nil, or absent emails are not: %+v", one[0])
	}
	if nobody := c.Rules[1]; nobody.Allow == nil || nobody.Deny != nil || nobody.Authenticate == nil || c.Rules[0].Authenticate != nil {
		t.Errorf("allow: [] is nil, or an absent deny is not: %+v", nobody)
	}
	if child := c.Rules[2].Rules[0]; child.TTL != 90*time.Second || child.Explain != "Ask the people of the third floor." || !child.Allow[0].Authenticated {
		t.Errorf("nested rule: %+v", child)
	}
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	c := load(t, `
version: 1
signing_key_file: keys.pem
listen: {http: {address: ":9080", tls: {cert: a.pem, key: /run/a.key}}}
identity: [jwt: {name: a, jwks_file: ../jwks.json}, peer_certificate: {name: b, ca_file: ca.pem}]
`)
	want := []string{"/etc/jwks.json", "/etc/privyseal/a.pem", "/etc/privyseal/ca.pem", "/etc/privyseal/keys.pem", "/run/a.key"}
	if got := c.Files(); !slices.Equal(got, want) {
		t.Errorf("Files() = %q, want %q", got, want)
	}
	if c.Identity[0].JWT.JWKSFile != "/etc/jwks.json" {
		t.Errorf("jwks_file = %q", c.Identity[0].JWT.JWKSFile)
	}
}

func TestOnlyEnvoyMayAsk(t *testing.T) {
	const mutual = "tls: {cert: a, key: b, client_ca: c, client_sans: [envoy]}"
	for grpc, safe := range map[string]bool{
		"127.0.0.1:9001": true, `"[::1]:9001"`: true, "localhost:9001": true, "unix:///run/a.sock": true,
		"127.8.8.8:1": true, `"[::ffff:127.0.0.1]:1"`: true,
		`{address: ":9001", ` + mutual + "}": true,
		"0.0.0.0:9001":                       false, `":9001"`: false, `"[::]:9001"`: false, "10.1.2.3:9001": false,
		`{address: ":9001", tls: {cert: a, key: b}}`:                                false,
		`{address: ":9001", tls: {cert: a, key: b, client_ca: c}}`:                  false,
		`{address: ":9001", tls: {cert: a, key: b, client_ca: c, client_sans: []}}`: false,
		`{address: ":9001", tls: {cert: a, key: b, client_sans: [envoy]}}`:          false,
		`{address: ":9001", tls: {client_ca: c, client_sans: [envoy]}}`:             false,
		`{address: "localhost.example:9001", tls: {cert: a, key: b, client_ca: c}}`: false,
	} {
		_, err := Load(LoadOptions{Source: []byte("version: 1\nlisten: {grpc: " + grpc + "}\n"), Environ: []string{}})
		if (err == nil) != safe {
			t.Errorf("listen.grpc: %s: %v", grpc, err)
		}
	}
	load(t, "version: 1\ninsecure_grpc: true\nlisten: {grpc: 0.0.0.0:9001}\n")
}

// TestEveryOptionIsNamed walks the types that a configuration is
// made of.
func TestEveryOptionIsNamed(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		if typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			walk(typ.Elem())
			return
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		names := map[string]bool{}
		for i := range typ.NumField() {
			f := typ.Field(i)
			name := f.Tag.Get("yaml")
			if f.IsExported() && !f.Anonymous && (name == "" || names[name] || name != strings.ToLower(name)) {
				t.Errorf("%v.%s has the name %q", typ, f.Name, name)
			}
			names[name] = true
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Config]())
	if len(seen) < 10 {
		t.Errorf("saw %d types", len(seen))
	}
}
