package privyseal

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"privyseal/authz"
	"privyseal/authz/verify/verifytest"
	"privyseal/envoy"
	"privyseal/keys"
)

// house is a folder with a configuration and keys, and a service made of it.
type house struct {
	t      *testing.T
	dir    string
	keys   string // the line of the configuration about keys
	issuer *verifytest.Issuer
	log    *bytes.Buffer
	*Service
}

const houseConfig = `version: 1
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0", admin: "127.0.0.1:0"}
%s
issuer: %s
identity:
  - jwt: {name: corp, issuer: "%s", audiences: [api], jwks_url: "%s"}
rules:
  - {name: %s, match: {hosts: [app.example]}, audience: app, allow: {groups: [staff]}}
`

func newHouse(t *testing.T) *house {
	t.Helper()
	return newHouseWith(t, "signing_key_file: keys.pem")
}

func newHouseWith(t *testing.T, keys string) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), keys: keys, issuer: verifytest.NewIssuer(), log: &bytes.Buffer{}}
	t.Cleanup(h.issuer.Close)
	h.write("keys.pem", newKeys(t, 1))
	h.configure("host", "first")
	var err error
	h.Service, err = New(ServiceOptions{
		Load: LoadOptions{Path: filepath.Join(h.dir, "privyseal.yaml")}, Drain: time.Millisecond,
		Log: slog.New(slog.NewTextHandler(h.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newKeys(t *testing.T, n int) string {
	t.Helper()
	var text []byte
	for range n {
		key, err := keys.Generate("ES256", nil)
		if err != nil {
			t.Fatal(err)
		}
		pem, err := key.MarshalPEM()
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, pem...)
	}
	return string(text)
}

func (h *house) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// configure writes a configuration whose only rule has a name.
func (h *house) configure(issuer, rule string) {
	h.t.Helper()
	h.write("privyseal.yaml", fmt.Sprintf(houseConfig, h.keys, issuer, h.issuer.URL, h.issuer.KeySetURL(), rule))
}

// ask asks with a new token, so that no cache answers.
func (h *house) ask() authz.Decision {
	h.t.Helper()
	r, denial := authz.NewRequest("GET", "https", "app.example", "/")
	if denial != nil {
		h.t.Fatal(denial)
	}
	token := h.issuer.Assertion("api", "alice", map[string]any{"groups": []string{"staff"}})
	r.Headers = authz.HeaderMap{"authorization": {"Bearer " + token}}
	ctx, cancel := context.WithTimeout(h.t.Context(), 5*time.Second)
	defer cancel()
	return h.Authorize(ctx, r)
}

func (h *house) mustAllow(rule string) {
	h.t.Helper()
	if d := h.ask(); d.Grant() == nil || d.Record.Rule != rule {
		h.t.Fatalf("want an allow by %s: %+v", rule, d.Record)
	}
}

func TestGoodReloadDuringAnOutageLosesNoKey(t *testing.T) {
	h := newHouse(t)
	defer h.Close()
	h.mustAllow("first")
	fetches := h.issuer.Fetches()
	h.issuer.Break(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", 500) }))
	h.configure("host", "second")
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	h.mustAllow("second")
	if h.issuer.Fetches() != fetches {
		t.Errorf("the reload fetched keys that it had")
	}
}

func TestBadReloadChangesNothingAndSaysSo(t *testing.T) {
	h := newHouse(t)
	defer h.Close()
	kid := h.ring.KeyID()
	for name, spoil := range map[string]func(){
		"syntax": func() { h.write("privyseal.yaml", "version: 1\nrules: [") },
		"unknown source": func() {
			h.write("privyseal.yaml", "version: 1\nrules: [{name: x, audience: a, authenticate: [corpp], allow: {authenticated: true}}]")
		},
		"a key gone":   func() { os.Remove(filepath.Join(h.dir, "keys.pem")) },
		"an empty key": func() { h.write("keys.pem", "") },
		"half a key":   func() { h.write("keys.pem", newKeys(t, 1)[:100]) },
		"another listener": func() {
			h.write("privyseal.yaml", strings.Replace(read(t, h.dir, "privyseal.yaml"), `grpc: "127.0.0.1:0"`, `grpc: "127.0.0.1:1"`, 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := newFiles(nil)
			for _, file := range []string{"privyseal.yaml", "keys.pem"} {
				content, err := before.file(filepath.Join(h.dir, file))
				if err != nil {
					t.Fatal(err)
				}
				defer h.write(file, string(content))
			}
			spoil()
			if err := h.Reload(); err == nil {
				t.Fatal("accepted")
			}
			h.mustAllow("first")
			if got := h.ring.KeyID(); got != kid {
				t.Errorf("signs with %s", got)
			}
			if body := h.get(h.admin(), "/readyz?verbose").Body.String(); !strings.Contains(body, "NOT OK configuration") {
				t.Errorf("readyz: %s", body)
			}
			if body := h.get(h.admin(), "/metrics").Body.String(); !strings.Contains(body, "privyseal_config_last_reload_successful 0") {
				t.Error("the metric says the reload was good")
			}
		})
	}
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if body := h.get(h.admin(), "/readyz?verbose").Body.String(); strings.Contains(body, "NOT OK configuration") {
		t.Errorf("readyz after a good reload: %s", body)
	}
}

// TestConfiguredKeysNeverBecomeEphemeral: a reload that takes the keys away is
// refused, because assertions nobody can verify are worse than old keys.
func TestConfiguredKeysNeverBecomeEphemeral(t *testing.T) {
	h := newHouse(t)
	defer h.Close()
	kid := h.ring.KeyID()
	h.write("privyseal.yaml", strings.ReplaceAll(read(t, h.dir, "privyseal.yaml"), "signing_key_file: keys.pem\n", ""))
	if err := h.Reload(); err == nil || h.ring.KeyID() != kid {
		t.Fatalf("error %v, kid %s", err, h.ring.KeyID())
	}
}

func TestSnapshotClosesAfterItsLastRequest(t *testing.T) {
	h := newHouse(t)
	defer h.Close()
	snap := h.acquire() // a request on its way
	closed := false
	release := snap.closing
	snap.closing = func() { closed = true; release() }
	h.configure("host", "second")
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if closed {
		t.Fatal("closed under a request")
	}
	snap.release()
	if !closed {
		t.Fatal("never closed")
	}
	if snap.acquire() {
		t.Fatal("a closed snapshot can be used")
	}
	h.mustAllow("second")
}

func TestAfterCloseEverythingIsDenied(t *testing.T) {
	h := newHouse(t)
	h.Close()
	h.Close()
	if d := h.ask(); d.Grant() != nil || d.Reply().Status != 503 {
		t.Errorf("%+v", d.Record)
	}
	for _, path := range []string{"/livez", "/readyz?verbose", "/metrics"} {
		h.get(h.admin(), path)
	}
}

func TestOurOwnIssuerIsNoSource(t *testing.T) {
	source := "version: 1\nissuer: %s\nidentity: [{jwt: {name: us, issuer: \"https://app.example%s\", audiences: [x]}}]\n" +
		"rules: [{name: a, match: {hosts: [app.example]}, audience: a, allow: {authenticated: true}}]\n"
	for issuer, slash := range map[string]string{"uri": "/", "uri-bare": "", "https://app.example": ""} {
		err := Validate(LoadOptions{Source: fmt.Appendf(nil, source, issuer, slash), Environ: []string{}})
		if err == nil || !strings.Contains(err.Error(), "identity[0].jwt.issuer") {
			t.Errorf("%s: %v", issuer, err)
		}
	}
	if err := Validate(LoadOptions{Source: fmt.Appendf(nil, source, "host", ""), Environ: []string{}}); err != nil {
		t.Errorf("host: %v", err)
	}
}

func TestKeySetsCloseWithTheirLastSnapshot(t *testing.T) {
	h := newHouse(t)
	defer h.Close()
	h.write("privyseal.yaml", "version: 1\nlisten: {grpc: \"127.0.0.1:0\", http: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}\nsigning_key_file: keys.pem\n")
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	h.keySets.mu.Lock()
	defer h.keySets.mu.Unlock()
	if n := len(h.keySets.byWhat); n != 0 {
		t.Errorf("%d key sets of issuers that nobody names", n)
	}
}

// TestChangeCountsAfterTwoEqualReadings: one reading may be of a file half
// written.
func TestChangeCountsAfterTwoEqualReadings(t *testing.T) {
	h := newHouse(t)
	defer h.Close()
	last := h.poll(nil)
	h.configure("host", "second")
	last = h.poll(last)
	h.mustAllow("first")
	h.poll(last)
	h.mustAllow("second")
}

func TestFilesThatAppearMendAFailedReload(t *testing.T) {
	h := newHouse(t)
	defer h.Close()
	h.write("privyseal.yaml", strings.ReplaceAll(read(t, h.dir, "privyseal.yaml"), "keys.pem", "more.pem"))
	last := h.poll(h.poll(nil))
	if h.failure.Load() == nil {
		t.Fatal("a missing file was accepted")
	}
	h.write("more.pem", newKeys(t, 1))
	h.poll(h.poll(last))
	if failure := h.failure.Load(); failure != nil {
		t.Fatalf("still failing: %s", *failure)
	}
}

func TestStartsWhileAnIssuerIsDown(t *testing.T) {
	h := newHouse(t)
	h.issuer.Break(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", 500) }))
	other, err := New(ServiceOptions{Load: LoadOptions{Path: filepath.Join(h.dir, "privyseal.yaml")}})
	h.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	h.Service = other
	d := h.ask()
	if d.Grant() != nil || d.Record.Reason != authz.SourceUnavailable {
		t.Errorf("%+v", d.Record)
	}
	answer := h.get(other.admin(), "/readyz?verbose")
	if answer.Code != 200 || !strings.Contains(answer.Body.String(), "NOT OK keys of source corp") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

func TestPublicListener(t *testing.T) {
	h := newHouse(t)
	defer h.Close()
	public := h.public()
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/pomerium/jwks.json", "//.well-known/pomerium/jwks.json"} {
		answer := h.get(public, path)
		if answer.Code != 200 || !strings.Contains(answer.Body.String(), h.ring.KeyID()) {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
	for _, path := range []string{
		"/", "/metrics", "/-/reload", "/livez", "/.well-known/", "/.well-known/jwks.json/", "/.well-known/../.well-known/jwks.json",
		"/.WELL-KNOWN/jwks.json", "/.well-known/openid-configuration",
	} {
		if answer := h.get(public, path); answer.Code != 404 {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
}

func TestDiscoveryEqualsTheIssuerOfAssertions(t *testing.T) {
	h := newHouse(t)
	defer h.Close()
	for issuer, want := range map[string]map[string]string{ // by host; "" is 404
		"host":                   {"app.example": ""},
		"uri":                    {"app.example": "https://app.example/", "App.Example:443": "https://app.example/", "other.example": "", "a,b": ""},
		"uri-bare":               {"app.example": "https://app.example", "other.example": ""},
		"https://id.example/x":   {"app.example": "https://id.example/x", "other.example": "https://id.example/x"},
		"http://localhost:12345": {"app.example": "http://localhost:12345"},
	} {
		h.configure(issuer, "first")
		if err := h.Reload(); err != nil {
			t.Fatal(err)
		}
		for host, iss := range want {
			request := httptest.NewRequest("GET", "http://x"+discoveryPath, nil)
			request.Host = host
			answer := httptest.NewRecorder()
			h.public().ServeHTTP(answer, request)
			var document struct{ Issuer, JWKS_URI string }
			json.Unmarshal(answer.Body.Bytes(), &document)
			if (answer.Code == 200) != (iss != "") || document.Issuer != iss {
				t.Errorf("issuer %s, host %s: %d %s", issuer, host, answer.Code, answer.Body)
			}
			if iss != "" && document.JWKS_URI != strings.TrimSuffix(iss, "/")+jwksPath {
				t.Errorf("jwks_uri %s", document.JWKS_URI)
			}
		}
	}
}

func TestReloadIsForThisMachineOnly(t *testing.T) {
	h := newHouse(t)
	defer h.Close()
	for peer, status := range map[string]int{"127.0.0.1:1": 200, "[::1]:1": 200, "192.0.2.1:1": 403, "10.0.0.1:1": 403, "@": 403} {
		request := httptest.NewRequest("POST", "/-/reload", nil)
		request.RemoteAddr = peer
		answer := httptest.NewRecorder()
		h.admin().ServeHTTP(answer, request)
		if answer.Code != status {
			t.Errorf("%s: %d %s", peer, answer.Code, answer.Body)
		}
	}
	if answer := h.get(h.admin(), "/-/reload"); answer.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", answer.Code)
	}
}

func (h *house) get(handler http.Handler, path string) *httptest.ResponseRecorder {
	h.t.Helper()
	request := httptest.NewRequest("GET", "http://x/", nil)
	request.URL.Path, request.URL.RawQuery, _ = strings.Cut(path, "?")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestRun is a service from socket to drain.
func TestRun(t *testing.T) {
	h := newHouse(t)
	dir := t.TempDir()
	grpcSocket, httpSocket := filepath.Join(dir, "grpc"), filepath.Join(dir, "http")
	config := strings.Replace(read(t, h.dir, "privyseal.yaml"), `grpc: "127.0.0.1:0", http: "127.0.0.1:0"`,
		fmt.Sprintf(`grpc: "unix://%s", http: "unix://%s"`, grpcSocket, httpSocket), 1)
	h.Close()
	h.write("privyseal.yaml", config)
	log := &syncBuffer{}
	s, err := New(ServiceOptions{
		Load: LoadOptions{Path: filepath.Join(h.dir, "privyseal.yaml")}, Drain: time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()

	conn, err := grpc.NewClient("unix://"+grpcSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, service := range []string{"", envoy.ServiceName} {
		answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: service}, grpc.WaitForReady(true))
		if err != nil || answer.Status != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: %v, %v", service, answer, err)
		}
	}
	for _, socket := range []string{grpcSocket, httpSocket} {
		if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", socket, info.Mode(), err)
		}
	}
	if _, err := New(ServiceOptions{Load: LoadOptions{Path: filepath.Join(h.dir, "privyseal.yaml")}}); err != nil {
		t.Error(err)
	} else if _, err := listen(Listener{Address: "unix://" + grpcSocket}); err == nil {
		t.Error("took a socket from a living process")
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", httpSocket) }}}
	answer, err := client.Get("http://x/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if !strings.Contains(string(body), `"kid"`) {
		t.Errorf("key set: %s", body)
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended: %v\n%s", err, log)
	}
	if _, err := os.Stat(grpcSocket); err == nil {
		t.Error("the socket was left behind")
	}
}

// TestAListenerThatCannotOpenEndsTheProcess: half a service is none.
func TestAListenerThatCannotOpenEndsTheProcess(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s, err := New(ServiceOptions{Load: LoadOptions{Source: fmt.Appendf(nil,
		"version: 1\nlisten: {grpc: \"127.0.0.1:0\", http: \"%s\", admin: \"\"}\n", taken.Addr())}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "listen.http") {
		t.Errorf("error: %v", err)
	}
}

// TestAListenerThatEndsEndsTheService: half a service is none.
func TestAListenerThatEndsEndsTheService(t *testing.T) {
	for name, pick := range map[string]func(sockets) net.Listener{
		"grpc":  func(s sockets) net.Listener { return s.grpc },
		"http":  func(s sockets) net.Listener { return s.http },
		"admin": func(s sockets) net.Listener { return s.admin },
	} {
		h := newHouse(t)
		opened, err := h.open()
		if err != nil {
			t.Fatal(err)
		}
		pick(opened).Close()
		if err := h.serve(t.Context(), opened); err == nil || !strings.Contains(err.Error(), name+" listener ended") {
			t.Errorf("%s: %v", name, err)
		}
		h.Close()
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestAllMistakesAtOnce: those of the file and those that only the parts see.
func TestAllMistakesAtOnce(t *testing.T) {
	err := Validate(LoadOptions{Source: []byte(`version: 1
isuer: host
signing_key_file: /nowhere/keys.pem
identity:
  - jwt: {name: corp, issuer: http://idp.example, audiences: [api]}
rules:
  - {name: a, match: {hosts: [a.example]}, audience: a, authenticate: [crop], allow: {groups: [x]}}
  - {name: b, match: {hosts: ["https://b"]}, audience: b}
assertion: {claim_headers: {content-length: sub}}
`)})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"isuer", "/nowhere/keys.pem", "identity[0].jwt.issuer", "rules[0].authenticate[0]", "rules[1].match.hosts[0]",
		"assertion.claim_headers",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in:\n%v", want, err)
		}
	}
}

// TestPrivateKeysNeverLeave looks for the private scalar in everything the
// service says.
func TestPrivateKeysNeverLeave(t *testing.T) {
	h := newHouse(t)
	defer h.Close()
	scalar := privateScalar(t, read(t, h.dir, "keys.pem"))
	h.mustAllow("first")
	var said bytes.Buffer
	h.write("privyseal.yaml", strings.ReplaceAll(read(t, h.dir, "privyseal.yaml"), "signing_key_file: keys.pem",
		"signing_key: "+base64.StdEncoding.EncodeToString([]byte(read(t, h.dir, "keys.pem")))))
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := h.Config().Print(&said, true); err != nil {
		t.Fatal(err)
	}
	h.write("privyseal.yaml", read(t, h.dir, "privyseal.yaml")+"signing_key_file: "+filepath.Join(h.dir, "keys.pem")+"\n")
	fmt.Fprintln(&said, h.Reload())
	for _, path := range []string{"/metrics", "/readyz?verbose"} {
		said.WriteString(h.get(h.admin(), path).Body.String())
	}
	said.WriteString(h.get(h.public(), jwksPath).Body.String())
	fmt.Fprintf(&said, "%v %+v %#v %s", h.Config(), h.ring.Status(), h.current.Load().keys, h.log)
	for name, encoded := range map[string]string{
		"hex": hex.EncodeToString(scalar), "HEX": strings.ToUpper(hex.EncodeToString(scalar)),
		"base64": base64.RawStdEncoding.EncodeToString(scalar), "base64url": base64.RawURLEncoding.EncodeToString(scalar),
		"decimal": new(big.Int).SetBytes(scalar).String(), "bytes": string(scalar), "PEM": read(t, h.dir, "keys.pem")[30:80],
	} {
		if strings.Contains(said.String(), encoded) {
			t.Errorf("the private key was said in %s", name)
		}
	}
	if !strings.Contains(said.String(), h.ring.KeyID()) {
		t.Error("not even the kid was said: the test looks at nothing")
	}
}

func privateScalar(t *testing.T, text string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := private.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return scalar
}
