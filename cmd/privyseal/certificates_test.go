package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// certificates writes ca.pem, and for a service on loopback (server), for Envoy
// (envoy) and for somebody else (other) a certificate of it and its key.
func certificates(ts *testscript.TestScript, neg bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	ts.Check(err)
	writePEM(ts, "ca.pem", "CERTIFICATE", der)
	for i, name := range []string{"server", "envoy", "other"} {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		ts.Check(err)
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i) + 2), NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			URIs:        []*url.URL{{Scheme: "spiffe", Host: "td.example", Path: "/" + name}},
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, ca, own.Public(), key)
		ts.Check(err)
		writePEM(ts, name+".pem", "CERTIFICATE", der)
		private, err := x509.MarshalPKCS8PrivateKey(own)
		ts.Check(err)
		writePEM(ts, name+".key", "PRIVATE KEY", private)
	}
}

func writePEM(ts *testscript.TestScript, name, kind string, der []byte) {
	ts.Check(os.WriteFile(ts.MkAbs(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}
