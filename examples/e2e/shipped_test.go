package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/verify/verifytest"
	"privyseal/examples/envoy"
	"privyseal/examples/repo"
)

// shipped is the world of the two files that people copy: envoy.yaml and
// privyseal.yaml, unchanged but for addresses.
func shipped(t *testing.T) *world {
	t.Helper()
	root, err := repo.Root()
	must(t, err)
	issuer := verifytest.NewIssuer()
	t.Cleanup(issuer.Close)
	keyFile := filepath.Join(t.TempDir(), "keys.pem")
	writeKeys(t, keyFile, newKey(t))
	s := &service{grpc: freePort(t), http: freePort(t), admin: freePort(t), keyFile: keyFile}
	s.run(t, filepath.Join(root, "examples/privyseal/privyseal.yaml"),
		"IDP_ISSUER="+issuer.URL, "SIGNING_KEY_FILE="+keyFile,
		fmt.Sprintf("PRIVYSEAL_LISTEN_GRPC=127.0.0.1:%d", s.grpc),
		fmt.Sprintf("PRIVYSEAL_LISTEN_HTTP=127.0.0.1:%d", s.http),
		fmt.Sprintf("PRIVYSEAL_LISTEN_ADMIN=127.0.0.1:%d", s.admin))
	w := &world{port: freePort(t), verifies: freePort(t), echo: newEcho(t), issuer: issuer, service: s, host: "whoami.localhost"}
	// A quarter of a second is what users have; a machine that runs tests with
	// the race detector may need longer.
	startEnvoy(t, strings.Replace(w.shippedEnvoy(t, s.grpc, s.http), "timeout: 0.25s", "timeout: 2s", 1))
	return w
}

// shippedEnvoy is envoy.yaml with the addresses of this world.
func (w *world) shippedEnvoy(t *testing.T, authz, keySet int) string {
	t.Helper()
	root, err := repo.Root()
	must(t, err)
	text, err := os.ReadFile(filepath.Join(root, "examples/envoy/envoy.yaml"))
	must(t, err)
	at := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	config, err := envoy.Readdress(string(text), map[string]string{
		"127.0.0.1:8000": at(w.port), "127.0.0.1:8001": at(w.verifies), "127.0.0.1:9901": at(freePort(t)),
		"127.0.0.1:9001": at(authz), "127.0.0.1:9080": at(keySet), "127.0.0.1:9003": at(w.echo.port), "127.0.0.1:9004": at(w.echo.port),
	})
	must(t, err)
	return config
}

// TestShippedRetriesLeaveTime: max_interval of a retry policy is also the time
// of one try, so a small one would refuse every check that takes longer.
func TestShippedRetriesLeaveTime(t *testing.T) {
	takesTime := authenticator(func(ctx context.Context, _ *authz.Request, _ *authz.Effects) (*authz.Identity, error) {
		select {
		case <-time.After(120 * time.Millisecond):
			return alice, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	w := &world{port: freePort(t), verifies: freePort(t), echo: newEcho(t), host: "whoami.localhost"}
	startEnvoy(t, w.shippedEnvoy(t, stub(t, authorizer(t, authz.Options{Policy: oneRule{rule(takesTime)}, Signer: fixedSigner{}})), freePort(t)))
	for range waits(10 * time.Second) {
		if w.get(t, "/").status == 200 {
			return
		}
	}
	t.Fatal("a check of 120 ms is refused, though Envoy waits 250 ms")
}

func TestShippedConfiguration(t *testing.T) {
	w := shipped(t)
	token := w.token("alice", "staff")
	for range waits(10 * time.Second) { // Envoy has to find privyseal healthy
		if w.get(t, "/v1", bearer(token)).status == 200 {
			break
		}
	}
	r := w.get(t, "/v1", bearer(token)).want(t, 200)
	a := w.assertion(t, r, "whoami")
	if a.Subject != "alice" || field(r.body, "authorization") != "" {
		t.Errorf("%+v\n%s", a, r.body)
	}
	w.get(t, "/admin/x", bearer(token)).want(t, 403)
	w.get(t, "/v1").want(t, 401)
	w.get(t, "/healthz").want(t, 200)

	t.Run("forged headers", func(t *testing.T) {
		for _, spoof := range spoofs() {
			name, _, _ := strings.Cut(spoof, ":")
			for _, path := range []string{"/v1", "/healthz", "/.well-known/jwks.json"} {
				r := w.get(t, path, bearer(token), spoof)
				if strings.Contains(name, "_") {
					r.want(t, 400)
				} else if ours := strings.HasPrefix(strings.ToLower(name), "x-pomerium-jwt"); ours && strings.Contains(r.body, "SPOOF") {
					t.Errorf("%s at %s:\n%s", spoof, path, r.body)
				}
			}
		}
	})
	t.Run("key set on the application's host", func(t *testing.T) {
		for _, path := range []string{"/.well-known/pomerium/jwks.json", "/.well-known/jwks.json"} {
			if r := w.get(t, path).want(t, 200); !strings.Contains(r.body, a.KeyID) {
				t.Errorf("%s: %s", path, r.body)
			}
		}
	})
	t.Run("jwt_authn", func(t *testing.T) {
		assertion := fields(w.get(t, "/v1", bearer(token)).want(t, 200).body, authz.DefaultHeader)[0]
		elsewhere := fields(w.get(t, "/reports/x", bearer(token)).want(t, 200).body, authz.DefaultHeader)[0]
		forged := assertion[:len(assertion)-8] + "AAAAAAAA"
		for name, c := range map[string]struct {
			assertion string
			status    int
		}{"ours": {assertion, 200}, "of another audience": {elsewhere, 403}, "forged": {forged, 401}, "the credential": {token, 401}} {
			if r, err := w.verified(c.assertion); err != nil || r.status != c.status {
				t.Errorf("%s: %d %s %v", name, r.status, r.body, err)
			}
		}
	})
	t.Run("service down", func(t *testing.T) {
		w.service.stop()
		for _, path := range []string{"/v1", "/healthz"} {
			w.get(t, path, bearer(token), "x-pomerium-jwt-assertion: SPOOF").want(t, 503)
		}
	})
}

// TestOncePerStream: Envoy asks when a stream begins and not again, whatever
// passes through it; so what we ship bounds how long a stream lives.
func TestOncePerStream(t *testing.T) {
	w := ordinary(t, knobs{})
	upgrade := "GET /ws HTTP/1.1\r\nhost: app.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n" + bearer(w.token("alice", "staff")) + "\r\n\r\n"
	written := func() int { // records, with one more decision's at the end
		w.service.decisions.find(t, w.get(t, "/v1").want(t, 401).header.Get("x-privyseal-decision"))
		return w.service.decisions.count()
	}
	before := written()
	conn, err := dial(w.port)
	must(t, err)
	r, err := exchange(conn, upgrade+"and then much more of what nobody asks about")
	must(t, err)
	r.want(t, 101)
	if asked := written() - before - 1; asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	if config := (&world{echo: w.echo, port: 1, verifies: 1}).shippedEnvoy(t, 1, 1); !strings.Contains(config, "\n            max_stream_duration: ") {
		t.Error("envoy.yaml does not bound the life of a stream")
	}
}

// edgeTLS are the files of an edge with TLS.
type edgeTLS struct{ Cert, Key string }

// TestPeerCertificate: Envoy is told to accept any certificate, as some are by
// mistake; privyseal verifies it again.
func TestPeerCertificate(t *testing.T) {
	good, evil := newAuthority(t), newAuthority(t)
	server := good.issue(t, "app.example", "")
	s := startService(t, fmt.Sprintf(`
identity: [{peer_certificate: {name: mesh, trust_domains: [td.example], ca_file: %s}}]
rules: [{name: app, match: {hosts: [app.example]}, audience: app, allow: {subjects: ["spiffe://td.example/client/*"]}}]
`, good.file))
	w := bare(t, knobs{Authz: s.grpc, KeySet: s.http, TLS: &edgeTLS{server.certFile, server.keyFile}})
	w.service = s
	for name, c := range map[string]struct {
		client *leaf
		status int
	}{
		"of the authority":     {good.issue(t, "", "spiffe://td.example/client/a"), 200},
		"of another authority": {evil.issue(t, "", "spiffe://td.example/client/a"), 401},
		"another trust domain": {good.issue(t, "", "spiffe://other.example/client/a"), 401},
		"another subject":      {good.issue(t, "", "spiffe://td.example/server/a"), 403},
		"no SPIFFE ID":         {good.issue(t, "client.example", ""), 401},
		"none":                 {nil, 403},
	} {
		t.Run(name, func(t *testing.T) {
			config := &tls.Config{RootCAs: good.pool, ServerName: "app.example"}
			if c.client != nil {
				config.Certificates = []tls.Certificate{c.client.pair}
			}
			conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.port), config)
			must(t, err)
			r, err := exchange(conn, "GET /v1 HTTP/1.1\r\nhost: app.example\r\n\r\n")
			must(t, err)
			if c.status == 401 { // nobody can say how to authenticate, so it is 403
				c.status = 403
			}
			r.want(t, c.status)
			if c.status == 200 {
				if a := w.assertion(t, r, "app"); a.Subject != "spiffe://td.example/client/a" || a.IdentityProvider != "mesh" {
					t.Errorf("%+v", a)
				}
			}
		})
	}
}

// TestEnvoyMetadata: Envoy's jwt_authn verified the token, and what it says
// counts for the issuer and audience that privyseal was told.
func TestEnvoyMetadata(t *testing.T) {
	issuer := verifytest.NewIssuer()
	t.Cleanup(issuer.Close)
	at, err := url.Parse(issuer.URL)
	must(t, err)
	var port int
	fmt.Sscan(at.Port(), &port)
	s := startService(t, fmt.Sprintf(`
identity: [{envoy_metadata: {name: edge, key: payload, issuer: "%s", audiences: [api]}}]
rules: [{name: app, match: {hosts: [app.example]}, audience: app, allow: {groups: [staff]}}]
`, issuer.URL))
	w := bare(t, knobs{Authz: s.grpc, KeySet: s.http, Issuer: issuer.URL, IssuerPort: port})
	w.service, w.issuer = s, issuer
	r := w.get(t, "/v1", bearer(w.token("alice", "staff"))).want(t, 200)
	if a := w.assertion(t, r, "app"); a.Subject != "alice" || a.IdentityProvider != "edge" {
		t.Errorf("%+v", a)
	}
	w.get(t, "/v1", bearer(w.token("bob", "guests"))).want(t, 403)
	w.get(t, "/v1").want(t, 403)
	w.get(t, "/v1", `x-jwt-payload: {"sub":"alice","groups":["staff"]}`).want(t, 403)
}
