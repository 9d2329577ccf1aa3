package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"privyseal/authz"
	"privyseal/authz/verify/verifytest"
	"privyseal/examples/repo"
)

// joseVersion is of the npm package jose.
const joseVersion = "6.2.17"

// TestVerifierThatDiscoversFromTheHostName: an application that verified
// Pomerium's assertions finds our keys at the same place, by the host name in
// iss, over https on port 443.
func TestVerifierThatDiscoversFromTheHostName(t *testing.T) {
	probe, err := net.Listen("tcp", "127.0.0.1:443")
	if errors.Is(err, syscall.EACCES) && os.Getenv("CI") == "" {
		t.Skip("port 443 needs a privilege that this user has not")
	}
	must(t, err)
	must(t, probe.Close())
	issuer := verifytest.NewIssuer()
	t.Cleanup(issuer.Close)
	ca := newAuthority(t)
	server := ca.issue(t, "localhost", "")
	s := startService(t, fmt.Sprintf(`
identity: [{jwt: {name: corp, issuer: "%s", audiences: [api], jwks_url: "%s"}}]
rules: [{name: app, match: {hosts: [localhost]}, allow: {groups: [staff]}}]
`, issuer.URL, issuer.KeySetURL()))
	w := bare(t, knobs{Authz: s.grpc, KeySet: s.http, Port: 443, TLS: &edgeTLS{server.certFile, server.keyFile}})
	w.service, w.issuer, w.host = s, issuer, "localhost"
	conn, err := tls.Dial("tcp", "127.0.0.1:443", &tls.Config{RootCAs: ca.pool, ServerName: "localhost"})
	must(t, err)
	r, err := exchange(conn, "GET / HTTP/1.1\r\nhost: localhost\r\n"+bearer(w.token("alice", "staff"))+"\r\n\r\n")
	must(t, err)
	assertion := field(r.want(t, 200).body, authz.DefaultHeader)

	verify := func(assertion, issuer, audience string) (string, error) {
		cmd := exec.Command("node", jose(t), assertion, issuer, audience)
		cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+ca.file)
		output, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(output)), err
	}
	if subject, err := verify(assertion, "localhost", "localhost"); err != nil || subject != "alice" {
		t.Errorf("refused: %v\n%s", err, subject)
	}
	if output, err := verify(assertion, "localhost", "another"); err == nil {
		t.Errorf("accepted for another audience: %s", output)
	}
	if output, err := verify(assertion[:len(assertion)-4]+"AAAA", "localhost", "localhost"); err == nil {
		t.Errorf("accepted a forged signature: %s", output)
	}
}

// jose returns the verifier's script, beside an installed library.
func jose(t *testing.T) string {
	t.Helper()
	root, err := repo.Root()
	must(t, err)
	dir := filepath.Join(root, ".cache", "jose-"+joseVersion)
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "jose", "package.json")); err != nil {
		must(t, os.MkdirAll(dir, 0o755))
		npm := exec.Command("npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "jose@"+joseVersion)
		if output, err := npm.CombinedOutput(); err != nil {
			t.Fatalf("installing jose with npm: %v\n%s", err, output)
		}
	}
	script, err := os.ReadFile("testdata/discover.mjs")
	must(t, err)
	file := filepath.Join(dir, "discover.mjs")
	must(t, os.WriteFile(file, script, 0o644))
	return file
}
