package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// certificate is the word of [Config.Bind] that is not a part of the request.
const certificate = "certificate"

// requestParts are what the claim req can cover, in the order in which they are
// digested.
func requestParts() []string { return []string{"method", "host", "path", "query"} }

// binding is what an assertion is bound to, as its claims say.
type binding struct {
	parts      []string // of the request; nil: not bound to it
	digest     string
	thumbprint string // of the client's certificate; "": not bound to one
}

// parseBinding reads the claims that bind. One that this version cannot check is
// an error: a token that has it is good only together with what it is bound to
// (RFC 7800 section 3, RFC 9449 section 4.2).
func parseBinding(claims map[string]any) (b binding, err error) {
	for _, name := range []string{"htm", "htu", "ath"} {
		if _, ok := claims[name]; ok {
			return b, fmt.Errorf("is bound by claim %s, which is none of an assertion", name)
		}
	}
	if req, ok := claims["req"]; ok {
		if b.parts, b.digest, err = parseReq(req); err != nil {
			return b, err
		}
	}
	if cnf, ok := claims["cnf"]; ok {
		object, _ := cnf.(map[string]any)
		b.thumbprint, _ = object["x5t#S256"].(string)
		if len(object) != 1 || !isDigest(b.thumbprint) {
			return b, errors.New("cnf is not the thumbprint of a certificate and nothing else")
		}
	}
	return b, nil
}

// parseReq reads the claim req: exactly its members, and the parts in their
// order, so that there is one way to say one thing.
func parseReq(claim any) (parts []string, digest string, err error) {
	req, _ := claim.(map[string]any)
	text, _ := req["parts"].(string)
	digest, _ = req["digest"].(string)
	if len(req) != 3 || req["v"] != json.Number("1") || !isDigest(digest) {
		return nil, "", errors.New("req is not a binding to a request that this version knows")
	}
	for _, part := range requestParts() {
		if slices.Contains(strings.Split(text, " "), part) {
			parts = append(parts, part)
		}
	}
	if text == "" || strings.Join(parts, " ") != text {
		return nil, "", errors.New("req names parts that this version does not know, or not in their order")
	}
	return parts, digest, nil
}

// isDigest reports whether s is a SHA-256 in base64url.
func isDigest(s string) bool {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && len(b) == sha256.Size && len(s) == 43
}

// checkBinding reports why an assertion is not good for a request, which may be
// nil.
func (c *Config) checkBinding(claims map[string]any, r *http.Request) error {
	b, err := parseBinding(claims)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrClaims, err)
	}
	if err := c.holds(b, r); err != nil {
		return fmt.Errorf("%w: %v", ErrBinding, err)
	}
	return nil
}

func (c *Config) holds(b binding, r *http.Request) error {
	for _, part := range c.Bind {
		if part == certificate && b.thumbprint == "" || part != certificate && !slices.Contains(b.parts, part) {
			return fmt.Errorf("not bound to the %s, as this application demands: list it under bind in the rule", part)
		}
	}
	if b.thumbprint != "" && c.Confirm == nil {
		return errors.New("is bound to a client certificate, and the verifier has no Confirm to tell which one a request was made with")
	}
	if (b.parts != nil || b.thumbprint != "") && r == nil {
		return errors.New("no request was given to verify it with")
	}
	if b.parts != nil {
		digest, err := RequestDigest(r, b.parts...)
		if err != nil {
			return err
		}
		if digest != b.digest {
			return fmt.Errorf("another %s than it was made for", strings.Join(b.parts, " or "))
		}
	}
	if b.thumbprint != "" {
		if seen, ok := c.Confirm(r); !ok || seen != b.thumbprint {
			return errors.New("another client certificate than it was made for")
		}
	}
	return nil
}

// RequestDigest digests parts of a request that a server received, any of
// method, host, path and query, as the claim req holds them: in base64url,
// whatever the order they are named in.
//
// Method and Host of the request must be as received, and its RequestURI is what
// path and query are taken from: middleware that rewrites URL does not disturb
// it. A part that is none, or no part at all, is an error, and so is a RequestURI
// that is not an absolute path, as with CONNECT and in requests that a client made.
func RequestDigest(r *http.Request, parts ...string) (string, error) {
	for _, part := range parts {
		if !slices.Contains(requestParts(), part) {
			return "", fmt.Errorf("%q is no part of a request to digest", part)
		}
	}
	if len(parts) == 0 {
		return "", errors.New("no part of the request to digest")
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	values := map[string]string{"method": r.Method, "host": lowerASCII(r.Host), "path": path, "query": query}
	h := sha256.New()
	fmt.Fprint(h, "privyseal-req-1\n")
	for _, part := range requestParts() {
		if !slices.Contains(parts, part) {
			continue
		}
		if (part == "path" || part == "query") && !strings.HasPrefix(path, "/") {
			return "", errors.New("the request's RequestURI is not an absolute path")
		}
		fmt.Fprintf(h, "%s:%d:%s\n", part, len(values[part]), values[part])
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)), nil
}

// lowerASCII leaves other letters alone: strings.ToLower makes an ASCII "k" of
// the Kelvin sign.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] |= 0x20
		}
	}
	return string(b)
}

// PeerCertificate returns the thumbprint (x5t#S256, RFC 8705 section 3.1) of the
// certificate that the other end of the request's own TLS connection proved to
// hold. It is a [Config.Confirm] for applications that callers reach by a TLS
// connection of their own; behind Envoy the other end is Envoy.
func PeerCertificate(r *http.Request) (thumbprint string, ok bool) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return "", false
	}
	sum := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:]), true
}
