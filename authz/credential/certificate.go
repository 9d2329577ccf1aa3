package credential

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"privyseal/authz"
)

// peer is the authenticator of the connection's client certificate: the sources
// that one rule admits, each with trust domains of its own.
type peer struct{ sources []*certificateSource }

var _ authz.Authenticator = (*peer)(nil)

// certificateSource is one source of client certificates.
type certificateSource struct {
	name         string
	trustDomains []string
	roots        *x509.CertPool // nil: Envoy verifies
	verified     verified
	env          *Env
}

// Authenticate implements [authz.Authenticator].
func (p *peer) Authenticate(_ context.Context, r *authz.Request, _ *authz.Effects) (*authz.Identity, error) {
	principal, leaf, err := r.Facts.Peer()
	if err != nil {
		return nil, malformed("the client certificate cannot be read").Because(err)
	}
	if principal == "" && leaf == nil {
		return nil, authz.ErrNoCredential
	}
	id, err := workloadOf(principal, leaf)
	if err != nil {
		return nil, invalid("the client certificate does not name one workload", err)
	}
	domain, err := trustDomainOf(id)
	if err != nil {
		return nil, invalid("the client certificate does not name one workload", fmt.Errorf("%s %v", quote(id), err))
	}
	for _, source := range p.sources {
		if slices.Contains(source.trustDomains, domain) {
			return source.identify(authz.Identity{Source: source.name, Issuer: "spiffe://" + domain, Subject: id}, leaf)
		}
	}
	return nil, (&authz.Denial{Reason: authz.UnknownIssuer, Detail: "no source of this rule has the certificate's trust domain"}).
		Because(fmt.Errorf("trust domain is %s", quote(domain)))
}

// workloadOf returns what should be a SPIFFE ID. Envoy's principal is the first
// URI SAN of the certificate, else its first DNS SAN, else its subject; where
// Envoy sends the certificate, all of its URIs are seen.
func workloadOf(principal string, leaf *x509.Certificate) (string, error) {
	if leaf == nil {
		return strings.Clone(principal), nil
	}
	if len(leaf.URIs) != 1 {
		return "", fmt.Errorf("certificate has %d URI SANs, and an X509-SVID has one", len(leaf.URIs))
	}
	id := leaf.URIs[0].String()
	if principal != "" && principal != id {
		return "", fmt.Errorf("principal is %s, but the certificate names %s", quote(principal), quote(id))
	}
	return id, nil
}

// identify verifies what the identity so far is based on and completes it.
func (c *certificateSource) identify(id authz.Identity, leaf *x509.Certificate) (*authz.Identity, error) {
	switch {
	case leaf == nil && c.roots == nil:
		return authz.NewIdentity(id), nil
	case leaf == nil:
		// The operator's mistake and not the client's: a fault.
		return nil, fmt.Errorf("source %s: Envoy names a client certificate but does not send it, so ca_file cannot verify it: set include_peer_certificate: true on ext_authz", c.name)
	}
	digest, now := sha256.Sum256(leaf.Raw), c.env.Now()
	key := c.verified.key(digest)
	if entry, ok := c.verified.get(key, now); ok {
		return entry.identity, nil
	}
	if err := c.verify(leaf, now); err != nil {
		return nil, err
	}
	id.Thumbprint, id.Expires = base64.RawURLEncoding.EncodeToString(digest[:]), leaf.NotAfter
	sealed := authz.NewIdentity(id)
	c.verified.put(key, VerifiedToken{identity: sealed}, 512+3*len(id.Subject), now)
	return sealed, nil
}

// verify checks that the certificate is a workload's, is valid now and, unless
// Envoy has done so, was issued by one of the CAs for clients.
func (c *certificateSource) verify(leaf *x509.Certificate, now time.Time) error {
	switch {
	case !now.Before(leaf.NotAfter):
		return expired(fmt.Errorf("source %s: certificate ended %v", c.name, leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return invalid("the client certificate is not valid yet", fmt.Errorf("source %s: certificate begins %v", c.name, leaf.NotBefore))
	case leaf.IsCA:
		return invalid("the client certificate is that of a CA", errors.New("source "+c.name+": an X509-SVID of a workload is not a CA"))
	case c.roots == nil:
		return nil
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: c.roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return invalid("the client certificate does not verify", fmt.Errorf("source %s: ca_file: %v", c.name, err))
	}
	return nil
}
