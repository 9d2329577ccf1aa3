package credential_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/credential"
)

const workload = "spiffe://td.example/ns/shop/sa/cart"

// authority is a CA of workloads, which are clients and servers.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
	}
	a := &authority{key: newKey(t)}
	a.certificate = sign(t, template, template, a.key, a.key)
	return a
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// svid issues a client certificate for URIs; change may alter the template. A
// nil authority signs it with the certificate's own key.
func (a *authority) svid(t *testing.T, change func(*x509.Certificate), uris ...string) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, uri := range uris {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = append(template.URIs, u)
	}
	if change != nil {
		change(template)
	}
	key := newKey(t)
	if a == nil {
		return sign(t, template, template, key, key)
	}
	return sign(t, template, a.certificate, key, a.key)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// verifying is a source that verifies certificates itself.
func verifying(t *testing.T, ca *authority, e credential.Env) authz.Authenticator {
	e.ReadFile = func(string) ([]byte, error) { return ca.pem(), nil }
	return only(t, e, []credential.Source{{PeerCertificate: &credential.PeerCertificate{
		Name: "mesh", TrustDomains: []string{"td.example"}, CAFile: "ca.pem",
	}}})
}

// trusting is a source that believes Envoy.
func trusting(t *testing.T) authz.Authenticator {
	return only(t, env(), []credential.Source{{PeerCertificate: &credential.PeerCertificate{
		Name: "mesh", TrustDomains: []string{"td.example", "other.example"}, EnvoyVerifies: true,
	}}})
}

func TestVerifiedCertificate(t *testing.T) {
	ca := newAuthority(t)
	a, leaf := verifying(t, ca, env()), ca.svid(t, nil, workload)
	for range 2 { // the second time from the cache
		id := expect(t, a, withFacts(facts{principal: workload, leaf: leaf}), authz.Allowed)
		sum := sha256.Sum256(leaf.Raw)
		if id.Source != "mesh" || id.Issuer != "spiffe://td.example" || id.Subject != workload ||
			id.Thumbprint != b64(sum[:]) || !id.Expires.Equal(leaf.NotAfter) || id.GroupsUnknown {
			t.Errorf("got %+v", id)
		}
	}
}

func TestCertificates(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	var none *authority
	leaf := ca.svid(t, nil, workload)
	for name, test := range map[string]struct {
		facts facts
		want  authz.Reason
	}{
		"no certificate":      {facts{}, "no credential"},
		"malformed":           {facts{failure: errors.New("bad PEM")}, authz.MalformedRequest},
		"good":                {facts{principal: workload, leaf: leaf}, authz.Allowed},
		"without principal":   {facts{leaf: leaf}, authz.Allowed},
		"another principal":   {facts{principal: workload + "2", leaf: leaf}, authz.InvalidCredential},
		"self-signed":         {facts{principal: workload, leaf: none.svid(t, nil, workload)}, authz.InvalidCredential},
		"another CA":          {facts{principal: workload, leaf: other.svid(t, nil, workload)}, authz.InvalidCredential},
		"two URIs":            {facts{principal: workload, leaf: ca.svid(t, nil, workload, "spiffe://td.example/admin")}, authz.InvalidCredential},
		"no URI":              {facts{principal: "cart.example", leaf: ca.svid(t, func(c *x509.Certificate) { c.DNSNames = []string{"cart.example"} })}, authz.InvalidCredential},
		"https URI":           {facts{leaf: ca.svid(t, nil, "https://td.example/x")}, authz.InvalidCredential},
		"other trust domain":  {facts{leaf: ca.svid(t, nil, "spiffe://other.example/x")}, authz.UnknownIssuer},
		"escape in the path":  {facts{leaf: ca.svid(t, nil, "spiffe://td.example/a%62c")}, authz.InvalidCredential},
		"query":               {facts{leaf: ca.svid(t, nil, workload+"?x=1")}, authz.InvalidCredential},
		"over":                {facts{leaf: ca.svid(t, func(c *x509.Certificate) { c.NotAfter = now }, workload)}, authz.ExpiredCredential},
		"not yet valid":       {facts{leaf: ca.svid(t, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }, workload)}, authz.InvalidCredential},
		"for servers only":    {facts{leaf: ca.svid(t, func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] }, workload)}, authz.InvalidCredential},
		"certificate of a CA": {facts{leaf: ca.svid(t, func(c *x509.Certificate) { c.IsCA = true; c.KeyUsage = x509.KeyUsageCertSign }, workload)}, authz.InvalidCredential},
	} {
		t.Run(name, func(t *testing.T) { expect(t, verifying(t, ca, env()), withFacts(test.facts), test.want) })
	}
}

// With trust_chain_verification: ACCEPT_UNTRUSTED, Envoy reports a principal for
// a certificate that nobody verified. Only a CA file notices; without the
// certificate it cannot, and that is a fault of the configuration.
func TestPrincipalThatNobodyVerified(t *testing.T) {
	var none *authority
	const admin = "spiffe://td.example/admin"
	forged := facts{principal: admin, leaf: none.svid(t, nil, admin)}
	a := verifying(t, newAuthority(t), env())
	expect(t, a, withFacts(forged), authz.InvalidCredential)

	_, err := authenticate(a, withFacts(facts{principal: admin}))
	var denial *authz.Denial
	if err == nil || errors.As(err, &denial) || !strings.Contains(err.Error(), "include_peer_certificate") {
		t.Errorf("got %v, want a fault that names the option of Envoy", err)
	}
}

func TestCachedCertificateStillExpires(t *testing.T) {
	ca, clock, e := newAuthority(t), now, env()
	e.Now = func() time.Time { return clock }
	a := verifying(t, ca, e)
	r := withFacts(facts{principal: workload, leaf: ca.svid(t, func(c *x509.Certificate) { c.NotAfter = now.Add(time.Minute) }, workload)})
	expect(t, a, r, authz.Allowed)
	clock = now.Add(time.Minute)
	expect(t, a, r, authz.ExpiredCredential)
}

// What one CA file verified, another does not find.
func TestChangedAuthorityVerifiesAgain(t *testing.T) {
	before, after, e := newAuthority(t), newAuthority(t), env()
	r := withFacts(facts{principal: workload, leaf: before.svid(t, nil, workload)})
	expect(t, verifying(t, before, e), r, authz.Allowed)
	expect(t, verifying(t, after, e), r, authz.InvalidCredential)
}

func TestPrincipals(t *testing.T) {
	a := trusting(t)
	for principal, want := range map[string]authz.Reason{
		"":                                            "no credential",
		workload:                                      authz.Allowed,
		"spiffe://other.example/A-Z_a.z/0":            authz.Allowed,
		"spiffe://third.example/x":                    authz.UnknownIssuer,
		"spiffe://td.example.evil/x":                  authz.UnknownIssuer,
		"spiffe://eviltd.example/x":                   authz.UnknownIssuer,
		"cart.td.example":                             authz.InvalidCredential, // a DNS SAN
		"CN=spiffe://td.example/x":                    authz.InvalidCredential, // a subject
		"spiffe://td.example":                         authz.InvalidCredential, // the trust domain itself
		"spiffe://td.example/":                        authz.InvalidCredential,
		"spiffe://td.example/a/":                      authz.InvalidCredential,
		"spiffe://td.example//a":                      authz.InvalidCredential,
		"spiffe://td.example/./a":                     authz.InvalidCredential,
		"spiffe://td.example/a/..":                    authz.InvalidCredential,
		"spiffe://td.example/a/.../b":                 authz.Allowed,
		"spiffe://td.example/a%2fb":                   authz.InvalidCredential,
		"spiffe://td.example/a?b":                     authz.InvalidCredential,
		"spiffe://td.example/a#b":                     authz.InvalidCredential,
		"spiffe://td.example/ä":                       authz.InvalidCredential,
		"spiffe://td.example/a b":                     authz.InvalidCredential,
		"spiffe://td.example:443/a":                   authz.InvalidCredential,
		"spiffe://user@td.example/a":                  authz.InvalidCredential,
		"spiffe://TD.example/a":                       authz.InvalidCredential,
		"SPIFFE://td.example/a":                       authz.InvalidCredential,
		"spiffe:///a":                                 authz.InvalidCredential,
		" " + workload:                                authz.InvalidCredential,
		workload + "\n":                               authz.InvalidCredential,
		workload + "," + workload:                     authz.InvalidCredential,
		workload + strings.Repeat("x", 2048):          authz.InvalidCredential,
		"spiffe://" + strings.Repeat("a", 256) + "/x": authz.InvalidCredential,
	} {
		t.Run(principal, func(t *testing.T) {
			id := expect(t, a, withFacts(facts{principal: principal}), want)
			if id != nil && (id.Subject != principal || !id.Expires.IsZero() || id.Thumbprint != "") {
				t.Errorf("got %+v", id)
			}
		})
	}
}

// When Envoy verifies, a certificate it sends still says more than the
// principal: all URIs, and when it ends.
func TestEnvoyVerifiesAndSendsTheCertificate(t *testing.T) {
	ca, a := newAuthority(t), trusting(t)
	leaf := ca.svid(t, nil, workload)
	id := expect(t, a, withFacts(facts{principal: workload, leaf: leaf}), authz.Allowed)
	if !id.Expires.Equal(leaf.NotAfter) || id.Thumbprint == "" {
		t.Errorf("got %+v", id)
	}
	expect(t, a, withFacts(facts{principal: workload, leaf: ca.svid(t, nil, workload, "spiffe://td.example/admin")}), authz.InvalidCredential)
	expect(t, a, withFacts(facts{principal: workload, leaf: ca.svid(t, func(c *x509.Certificate) { c.NotAfter = now }, workload)}), authz.ExpiredCredential)
	expect(t, a, withFacts(facts{principal: workload, leaf: ca.svid(t, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }, workload)}), authz.InvalidCredential)
}

// Sources of certificates are told apart by their trust domains: the CA of one
// does not speak for another.
func TestCertificatesOfSeveralSources(t *testing.T) {
	here, there := newAuthority(t), newAuthority(t)
	e := env()
	e.ReadFile = func(name string) ([]byte, error) {
		return map[string][]byte{"here": here.pem(), "there": there.pem()}[name], nil
	}
	sources := []credential.Source{
		{PeerCertificate: &credential.PeerCertificate{Name: "here", TrustDomains: []string{"td.example"}, CAFile: "here"}},
		{PeerCertificate: &credential.PeerCertificate{Name: "there", TrustDomains: []string{"other.example"}, CAFile: "there"}},
	}
	both, hereOnly := only(t, e, sources), only(t, e, sources, "here")
	good := withFacts(facts{leaf: there.svid(t, nil, "spiffe://other.example/x")})
	if id := expect(t, both, good, authz.Allowed); id.Source != "there" {
		t.Errorf("identity is the word of %s", id.Source)
	}
	expect(t, hereOnly, good, authz.UnknownIssuer)
	expect(t, both, withFacts(facts{leaf: there.svid(t, nil, workload)}), authz.InvalidCredential)
}
