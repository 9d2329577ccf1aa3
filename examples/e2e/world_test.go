// Package e2e tests privyseal through a real Envoy.
package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"privyseal"
	"privyseal/authz"
	"privyseal/authz/verify"
	"privyseal/authz/verify/verifytest"
	adapter "privyseal/envoy"
	"privyseal/keys"
)

// world is one Envoy between a client and an echo, and who answers its checks.
type world struct {
	port      int // of Envoy's listener
	verifies  int // of Envoy's listener with jwt_authn
	accessLog string
	echo      echo
	issuer    *verifytest.Issuer
	service   *service // nil where a stub answers
	host      string   // of the application; default app.example
}

// knobs of the bare Envoy.
type knobs struct {
	RawHeaders, FailOpen, Body bool
	Normalize                  bool      // Envoy tidies paths
	Edge                       bool      // Envoy believes no x-forwarded-for
	Timeout                    string    // default 2s: machines of tests are slow
	Authz                      int       // port of the authorization service
	KeySet                     int       // port of its public listener: adds a listener with jwt_authn
	Replicas                   []replica // in place of Authz; KeySet is still needed
	TLS                        *edgeTLS
	Application                int    // port of an application that speaks HTTP/2, in place of the echo
	Issuer                     string // adds jwt_authn before ext_authz, for this issuer
	IssuerPort                 int

	rules string // of the ordinary world, instead of the usual ones

	Port           int // default any
	Echo, Verifier int // filled in
	AccessLog      string
}

// bare starts an Envoy that does nothing but ask for authorization.
func bare(t *testing.T, k knobs) *world {
	t.Helper()
	w := &world{echo: newEcho(t), accessLog: filepath.Join(t.TempDir(), "access.log")}
	if k.Port == 0 {
		k.Port = freePort(t)
	}
	w.port, w.verifies = k.Port, freePort(t)
	k.Verifier, k.Echo, k.AccessLog = w.verifies, w.echo.port, w.accessLog
	if k.Timeout == "" {
		k.Timeout = "2s"
	}
	var config strings.Builder
	if err := template.Must(template.ParseFiles("bare.yaml.tmpl")).Execute(&config, k); err != nil {
		t.Fatal(err)
	}
	startEnvoy(t, config.String())
	return w
}

// ordinary is the world most tests are about: privyseal with rules that have
// one of each kind.
func ordinary(t *testing.T, k knobs) *world {
	t.Helper()
	issuer := verifytest.NewIssuer()
	t.Cleanup(issuer.Close)
	if k.rules == "" {
		k.rules = rules
	}
	s := startService(t, fmt.Sprintf(k.rules, issuer.URL, issuer.KeySetURL()))
	k.Authz, k.KeySet = s.grpc, s.http
	w := bare(t, k)
	w.issuer, w.service = issuer, s
	return w
}

const rules = `
identity:
  - jwt: {name: corp, issuer: "%s", audiences: [api], jwks_url: "%s", header: authorization, cookie: corp_token}
rules:
  - {name: health, match: {hosts: [app.example], paths: [/healthz]}, public: true}
  - {name: tunnel, match: {hosts: [app.example], methods: [CONNECT]}, audience: tunnel, allow: {groups: [staff]}}
  - {name: by-route, match: {hosts: [app.example], paths: ["/routed/**", "/unaudienced/**"]}, audience_from: context, allow: {groups: [staff]}}
  - name: app
    match: {hosts: [app.example]}
    audience: app
    deny: {groups: [suspended], detail: suspended}
    allow: {groups: [staff]}
assertion:
  claim_headers: {x-user: sub, x-groups: groups}
`

// token is a credential for the ordinary rules.
func (w *world) token(subject string, groups ...string) string {
	return w.issuer.Assertion("api", subject, map[string]any{"groups": groups})
}

// verifier is how the application checks: the keys of the running service.
func (w *world) verifier(t *testing.T, audience string) *verify.Verifier {
	t.Helper()
	set := verify.Remote(fmt.Sprintf("http://127.0.0.1:%d/.well-known/jwks.json", w.service.http), verify.Options{})
	t.Cleanup(set.Close)
	v, err := verify.New(verify.Config{Issuer: w.hostname(), Audience: audience, Keys: set})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (w *world) hostname() string {
	if w.host == "" {
		return "app.example"
	}
	return w.host
}

// assertion returns the verified assertion in a request that reached the echo,
// which must have exactly one line of it and no other spelling.
func (w *world) assertion(t *testing.T, r response, audience string) *verify.Assertion {
	t.Helper()
	lines := fields(r.body, authz.DefaultHeader)
	if len(lines) != 1 {
		t.Fatalf("%d assertion lines reached the application:\n%s", len(lines), r.body)
	}
	a, err := w.verifier(t, audience).Verify(t.Context(), lines[0], nil)
	if err != nil {
		t.Fatalf("assertion: %v", err)
	}
	return a
}

// service is privyseal, running in this process.
type service struct {
	*privyseal.Service
	grpc, http, admin int
	keyFile           string
	log, decisions    *lines
	stop              func()
}

// startService runs privyseal with a configuration to which listeners and a key
// file are added.
func startService(t *testing.T, config string) *service {
	t.Helper()
	dir := t.TempDir()
	s := &service{grpc: freePort(t), http: freePort(t), admin: freePort(t), keyFile: filepath.Join(dir, "keys.pem")}
	writeKeys(t, s.keyFile, newKey(t))
	file := filepath.Join(dir, "privyseal.yaml")
	config = fmt.Sprintf("version: 1\nlisten: {grpc: 127.0.0.1:%d, http: 127.0.0.1:%d, admin: 127.0.0.1:%d}\nsigning_key_file: keys.pem\n%s",
		s.grpc, s.http, s.admin, config)
	must(t, os.WriteFile(file, []byte(config), 0o600))
	s.run(t, file)
	return s
}

// run starts the service and stops it when the test ends.
func (s *service) run(t *testing.T, file string, environ ...string) {
	t.Helper()
	s.log, s.decisions = &lines{}, &lines{}
	var err error
	s.Service, err = privyseal.New(privyseal.ServiceOptions{
		Load:      privyseal.LoadOptions{Path: file, Environ: append([]string{}, environ...)},
		Log:       slog.New(slog.NewTextHandler(s.log, nil)),
		Decisions: s.decisions,
		Drain:     time.Millisecond,
	})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("service ended: %v", err)
		}
		if t.Failed() {
			t.Logf("privyseal's log:\n%s", s.log)
		}
	})
	t.Cleanup(s.stop)
	waitPort(t, s.grpc)
}

func newKey(t *testing.T) *keys.Key {
	t.Helper()
	key, err := keys.Generate("ES256", nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// writeKeys replaces a key file by rename, so that nobody reads half of it.
func writeKeys(t *testing.T, file string, list ...*keys.Key) {
	t.Helper()
	must(t, os.WriteFile(file+".new", []byte(pemOf(t, list...)), 0o600))
	must(t, os.Rename(file+".new", file))
}

func pemOf(t *testing.T, list ...*keys.Key) string {
	t.Helper()
	var text []byte
	for _, key := range list {
		pem, err := key.MarshalPEM()
		must(t, err)
		text = append(text, pem...)
	}
	return string(text)
}

// keyIn returns the first key of a file.
func keyIn(t *testing.T, file string) *keys.Key {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	set, err := keys.Parse(text, keys.ParseOptions{})
	must(t, err)
	return set.Keys()[0]
}

// stub runs the adapter around an authorizer made by hand.
func stub(t *testing.T, a adapter.Authorizer) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(adapter.GRPCOptions()...)
	adapter.NewServer(a, nil).Register(server)
	healths := health.NewServer()
	healths.SetServingStatus(adapter.ServiceName, healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(server, healths)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return listener.Addr().(*net.TCPAddr).Port
}

// lines collects JSON lines.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(string(p)) {
		l.text = append(l.text, line)
	}
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text, "")
}

func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.text)
}

// find returns the record of a decision. All that were made before it are
// written then.
func (l *lines) find(t *testing.T, id string) map[string]any {
	t.Helper()
	for range waits(t5) {
		l.mu.Lock()
		text := slices.Clone(l.text)
		l.mu.Unlock()
		for _, line := range text {
			var record map[string]any
			if json.Unmarshal([]byte(line), &record) == nil && record["decision_id"] == id {
				return record
			}
		}
	}
	t.Fatalf("no record of decision %q", id)
	return nil
}
