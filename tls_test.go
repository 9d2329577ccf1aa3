package privyseal

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// TestOnlyListedClientsMayAsk: who may call Check may mint, so the gRPC listener holds
// clients to a certificate of the authority and to a list of names.
func TestOnlyListedClientsMayAsk(t *testing.T) {
	dir := t.TempDir()
	ca, other := newCA(t), newCA(t)
	server := ca.issue(t, "privyseal.example", "")
	writePEM(t, dir, "ca.pem", ca.der, "CERTIFICATE")
	server.write(t, dir, "server")
	port := freePort(t)
	s, err := New(ServiceOptions{Drain: time.Millisecond, Load: LoadOptions{Folder: dir, Source: fmt.Appendf(nil, `version: 1
listen:
  grpc: {address: "127.0.0.1:%d", tls: {cert: server.crt, key: server.key, client_ca: ca.pem, client_sans: ["spiffe://td/envoy", envoy.example]}}
  http: 127.0.0.1:0
  admin: ""
`, port)}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	ask := func(t *testing.T, transport credentials.TransportCredentials) error {
		t.Helper()
		conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", port), grpc.WithTransportCredentials(transport))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err = healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
		return err
	}
	mutual := func(list ...tls.Certificate) credentials.TransportCredentials {
		return credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "privyseal.example", Certificates: list})
	}
	for { // the listener opens in its own time
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
			break
		}
	}
	for name, c := range map[string]struct {
		transport credentials.TransportCredentials
		ok        bool
	}{
		"a listed URI":          {mutual(ca.issue(t, "", "spiffe://td/envoy").pair), true},
		"a listed DNS name":     {mutual(ca.issue(t, "envoy.example", "").pair), true},
		"another name":          {mutual(ca.issue(t, "app.example", "spiffe://td/app").pair), false},
		"a longer name":         {mutual(ca.issue(t, "x.envoy.example", "spiffe://td/envoy/x").pair), false},
		"another authority":     {mutual(other.issue(t, "envoy.example", "spiffe://td/envoy").pair), false},
		"a certificate for TLS": {mutual(ca.issueFor(t, x509.ExtKeyUsageServerAuth, "envoy.example", "").pair), false},
		"no certificate":        {mutual(), false},
		"no TLS":                {insecure.NewCredentials(), false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ask(t, c.transport); (err == nil) != c.ok {
				t.Errorf("answered: %v (%v)", err == nil, err)
			}
		})
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

type ca struct {
	cert *x509.Certificate
	der  []byte
	key  *ecdsa.PrivateKey
}

type issued struct {
	pair    tls.Certificate
	private []byte
}

func newCA(t *testing.T) *ca {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &ca{cert, der, key}
}

func (c *ca) issue(t *testing.T, dns, uri string) *issued {
	t.Helper()
	usage := x509.ExtKeyUsageClientAuth
	if dns == "privyseal.example" {
		usage = x509.ExtKeyUsageServerAuth
	}
	return c.issueFor(t, usage, dns, uri)
}

func (c *ca) issueFor(t *testing.T, usage x509.ExtKeyUsage, dns, uri string) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{usage}}
	if dns != "" {
		template.DNSNames = []string{dns}
	}
	if uri != "" {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = []*url.URL{u}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.cert, &key.PublicKey, c.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, private}
}

func (i *issued) write(t *testing.T, dir, name string) {
	t.Helper()
	writePEM(t, dir, name+".crt", i.pair.Certificate[0], "CERTIFICATE")
	writePEM(t, dir, name+".key", i.private, "PRIVATE KEY")
}

func writePEM(t *testing.T, dir, name string, der []byte, kind string) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}
