package envoy

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"privyseal/authz"
)

// Extension implements [authz.Facts]: what Envoy's operator says.
func (m *checkRequest) Extension(key string) string {
	value, _ := find(m.extensions, key)
	return value
}

// Metadata implements [authz.Facts]: what filters before us say.
func (m *checkRequest) Metadata(namespace string) (map[string]any, error) {
	encoded, ok := find(m.metadata, namespace)
	if !ok {
		return nil, nil
	}
	var s structpb.Struct
	if err := proto.Unmarshal([]byte(encoded), &s); err != nil {
		return nil, fmt.Errorf("metadata of a filter: %v", err)
	}
	return s.AsMap(), nil
}

// Peer implements [authz.Facts]: what Envoy says of the connection.
func (m *checkRequest) Peer() (principal string, leaf *x509.Certificate, err error) {
	principal, text := m.texts[principalText], m.texts[certificateText]
	if text == "" {
		return principal, nil, nil
	}
	if leaf, err = m.leaves.parse(text); err != nil {
		return "", nil, err
	}
	return principal, leaf, nil
}

// leaves parses client certificates and keeps the parsed ones, by SHA-256 of
// the text they come in: a connection shows one certificate many times. It says
// nothing of whether a certificate is to be believed. A nil *leaves keeps none.
type leaves struct {
	parsed *authz.Cache[*x509.Certificate]
}

const (
	leavesBytes = 4 << 20
	leavesKept  = 10 * time.Minute
)

func newLeaves() *leaves { return &leaves{authz.NewCache[*x509.Certificate](leavesBytes)} }

func (l *leaves) parse(text string) (*x509.Certificate, error) {
	if l == nil {
		return parseLeaf(text)
	}
	key, now := sha256.Sum256([]byte(text)), time.Now()
	if leaf, ok := l.parsed.Get(key, now); ok {
		return leaf, nil
	}
	leaf, err := parseLeaf(text)
	if err == nil {
		// A parsed certificate is its bytes and some thirty small values.
		l.parsed.Put(key, leaf, 2048+2*len(leaf.Raw), now.Add(leavesKept))
	}
	return leaf, err
}

// parseLeaf reads a certificate as Envoy writes it: PEM, URL-encoded.
func parseLeaf(encoded string) (*x509.Certificate, error) {
	text, err := url.PathUnescape(encoded)
	if err != nil {
		return nil, errors.New("client certificate is not URL-encoded")
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("client certificate is not one PEM certificate")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %v", err)
	}
	return leaf, nil
}
