//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

const (
	issuer      = "https://idp.example"
	tokenKeyID  = "bench"
	trustDomain = "td.example"
)

// world is a folder with what privyseal's configurations name, and who signs for
// callers.
type world struct {
	dir         string
	issuer      *ecdsa.PrivateKey
	certificate string // of a client, PEM
	mapHeaders  bool   // Envoy sends headers as a map
}

// newWorld makes keys, key set, CA and a client's certificate in a folder.
func newWorld(dir string, mapHeaders bool) (*world, error) {
	w := &world{dir: dir, mapHeaders: mapHeaders}
	signing, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if w.issuer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(signing)
	if err != nil {
		return nil, err
	}
	keySet, err := w.keySet()
	if err != nil {
		return nil, err
	}
	ca, err := w.certify()
	if err != nil {
		return nil, err
	}
	return w, errors.Join(
		w.write("keys.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		w.write("jwks.json", keySet),
		w.write("ca.pem", ca))
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name string, content []byte) error {
	return os.WriteFile(w.path(name), content, 0o600)
}

// keySet is the issuer's, as RFC 7517 has it.
func (w *world) keySet() ([]byte, error) {
	point, err := w.issuer.PublicKey.Bytes() // SEC 1 section 2.3.3: 4, x, y
	if err != nil {
		return nil, err
	}
	x, y := point[1:33], point[33:]
	return json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": tokenKeyID,
		"x": base64.RawURLEncoding.EncodeToString(x), "y": base64.RawURLEncoding.EncodeToString(y),
	}}})
}

// certify makes a client's certificate and returns that of its CA, both PEM.
func (w *world) certify() (authority []byte, err error) {
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{{Scheme: "spiffe", Host: trustDomain, Path: "/orders-client"}},
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, w.issuer.Public(), w.issuer)
	if err != nil {
		return nil, err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, w.issuer.Public(), w.issuer)
	if err != nil {
		return nil, err
	}
	encode := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}) }
	w.certificate = string(encode(leafDER))
	return encode(rootDER), nil
}

// callerID is the subject of a caller. All are equally long, and so are their
// tokens.
func callerID(i int) string { return fmt.Sprintf("user-%08d", i) }

// callerClaims are what an identity provider says of a caller.
func callerClaims(i int) map[string]any {
	return map[string]any{
		"iss": issuer, "aud": "api", "sub": callerID(i), "email": callerID(i) + "@example.com", "email_verified": true,
		"name": "Ada Lovelace", "groups": []any{"staff", "orders-readers", "engineering"}, "sid": "5f0f4d9a9f350c9f3e6f7a11",
	}
}

// token is a caller's bearer token. Another serial makes it another token.
func (w *world) token(caller, serial int) (string, error) {
	claims := callerClaims(caller)
	now := time.Now()
	claims["iat"], claims["exp"], claims["jti"] = now.Unix(), now.Add(time.Hour).Unix(), fmt.Sprintf("%016d", serial)
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"alg":"ES256","kid":"`+tokenKeyID+`","typ":"JWT"}`)) + "." + encode(payload)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, w.issuer, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64) // RFC 7518 section 3.4
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + encode(signature), nil
}
