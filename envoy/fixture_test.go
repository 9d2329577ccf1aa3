package envoy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/url"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"privyseal/authz"
	"privyseal/authz/credential"
	"privyseal/authz/policy"
	"privyseal/authz/verify"
	"privyseal/authz/verify/verifytest"
	"privyseal/keys"
)

// whole is an authorizer of the real parts: ten rules, tokens of one issuer, peer
// certificates.
type whole struct {
	*authz.Authorizer
	issuer *verifytest.Issuer
}

func newWhole(t testing.TB, signer authz.Signer, assertion authz.AssertionOptions) whole {
	t.Helper()
	w := whole{issuer: verifytest.NewIssuer()}
	t.Cleanup(w.issuer.Close)
	sources := []credential.Source{
		{JWT: &credential.JWT{Name: "corp", Issuer: w.issuer.URL, Audiences: []string{"api"}, Primary: true}},
		{PeerCertificate: &credential.PeerCertificate{Name: "mesh", TrustDomains: []string{"td.example"}, EnvoyVerifies: true}},
	}
	set, err := verify.Static(w.issuer.KeySet(), "ES256")
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := credential.New(sources, credential.Env{
		KeySet: func(credential.JWT, []byte) (credential.KeySet, error) { return set, nil },
		Cache:  authz.NewCache[credential.VerifiedToken](1 << 20),
	})
	if err != nil {
		t.Fatal(err)
	}
	rules := []policy.Rule{
		{Name: "public", Match: policy.Match{Hosts: []string{"public.example"}}, Public: true},
		{Name: "mesh", Match: policy.Match{Hosts: []string{"mesh.example"}}, Audience: "mesh", Authenticate: []string{"mesh"}, Allow: policy.Clauses{{Authenticated: true}}},
	}
	for _, host := range []string{"a.example", "b.example", "c.example", "d.example", "e.example", "f.example", "g.example", "app.example"} {
		rules = append(rules, policy.Rule{
			Name: host, Match: policy.Match{Hosts: []string{host}, Paths: []string{"/v1/**"}}, Audience: host,
			Authenticate: []string{"corp"}, Allow: policy.Clauses{{Groups: []string{"staff"}}},
		})
	}
	p, err := policy.Compile(rules, policy.Env{
		Sources:        []policy.Source{{Name: "corp", Primary: true}, {Name: "mesh"}},
		Authenticators: credentials.For, Issuer: "host", TTL: authz.DefaultTTL,
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.Authorizer, err = authz.New(authz.Options{Policy: p, Signer: signer, Assertion: assertion}); err != nil {
		t.Fatal(err)
	}
	return w
}

func newRing(t testing.TB) *keys.Ring {
	t.Helper()
	ring := keys.NewRing(keys.RingOptions{})
	if err := ring.UseEphemeral(); err != nil {
		t.Fatal(err)
	}
	return ring
}

// public, token and certificate are messages that three rules of [whole] allow.
func (w whole) public() []byte {
	return encoded(message(usualHeaders, func(h *authv3.AttributeContext_HttpRequest) { h.Host = "public.example" }))
}

func (w whole) token(subject string) []byte {
	token := w.issuer.Assertion("api", subject, map[string]any{"groups": []string{"staff", "dev"}, "email": subject + "@corp.example"})
	return encoded(message(usualHeaders, func(h *authv3.AttributeContext_HttpRequest) { h.Headers["authorization"] = "Bearer " + token }))
}

func (w whole) certificate(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name, _ := url.Parse("spiffe://td.example/job")
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), URIs: []*url.URL{name}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	m := message(usualHeaders, func(h *authv3.AttributeContext_HttpRequest) { h.Host = "mesh.example" })
	m.Attributes.Source = &authv3.AttributeContext_Peer{
		Principal: name.String(), Address: socketAddress("192.0.2.1"),
		Certificate: url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
	}
	metadata, _ := structpb.NewStruct(map[string]any{"payload": map[string]any{"sub": "unread"}})
	m.Attributes.MetadataContext = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"jwt": metadata}}
	return encoded(m)
}
