package authz

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// Binding is a set of things that an assertion is bound to, so that whoever
// reads it cannot use it for anything else. The zero value binds to nothing:
// the assertion is a bearer token for its audience.
//
// Parts of the request are what the application receives, not what rules match:
// they are digested into the claim req. The certificate is the client's at
// Envoy; its thumbprint is the claim cnf (RFC 8705 section 3.1).
type Binding uint8

const (
	BindMethod      Binding = 1 << iota // as sent
	BindHost                            // [Request.RawHost] in lower case
	BindPath                            // [Request.RawPath]
	BindQuery                           // [Request.Query]; an empty one is the same as none
	BindCertificate                     // of the client; a caller without one is denied

	bindRequest = BindMethod | BindHost | BindPath | BindQuery
)

// bound is what the claims req and cnf say; an empty text is no claim.
type bound struct{ parts, digest, thumbprint string }

// bind makes what the rule binds the assertion to. What is to be bound and is
// not there is a denial: an assertion is never bound to less than its rule says.
func (c *check) bind() (b bound, err error) {
	if c.rule.Bind&bindRequest != 0 {
		if b.parts, b.digest, err = c.rule.Bind.digest(c.request); err != nil {
			return bound{}, err
		}
	}
	if c.rule.Bind&BindCertificate != 0 {
		b.thumbprint, err = c.thumbprint()
	}
	return b, err
}

// digest names the parts of a request and digests them. Each has its length in
// front, so that no two requests are digested from the same bytes.
func (b Binding) digest(r *Request) (parts, digest string, err error) {
	var names []string
	h := sha256.New()
	fmt.Fprint(h, "privyseal-req-1\n")
	for _, part := range [...]struct {
		bit         Binding
		name, value string
		absent      bool
	}{
		{BindMethod, "method", r.Method, r.Method == ""},
		{BindHost, "host", lowerASCII(r.RawHost), r.RawHost == ""},
		{BindPath, "path", r.RawPath, r.RawPath == ""}, // of CONNECT
		{BindQuery, "query", r.Query, r.RawPath == ""},
	} {
		switch {
		case b&part.bit == 0:
			continue
		case part.absent:
			return "", "", &Denial{Reason: UnsafeClaim, Detail: "the rule binds the assertion to the request's " + part.name + ", and it has none"}
		case !isVisible(part.value):
			return "", "", &Denial{Reason: UnsafeClaim, Detail: "the rule binds the assertion to the request's " + part.name + ", which holds bytes outside visible ASCII"}
		}
		names = append(names, part.name)
		fmt.Fprintf(h, "%s:%d:%s\n", part.name, len(part.value), part.value)
	}
	return strings.Join(names, " "), base64.RawURLEncoding.EncodeToString(h.Sum(nil)), nil
}

// isVisible reports whether s is visible ASCII: what RFC 3986 lets a target
// consist of, and programs do not decode or repair on the way.
func isVisible(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// thumbprint is the x5t#S256 of the client's certificate: the one of its
// connection to Envoy, or the one that its credential is about.
func (c *check) thumbprint() (string, error) {
	_, leaf, err := c.request.Facts.Peer()
	if err != nil {
		return "", err
	}
	known := c.identity.Thumbprint
	if leaf == nil {
		if known == "" {
			return "", &Denial{Reason: UnsafeClaim, Detail: "the rule binds the assertion to a client certificate, and Envoy sent none"}
		}
		return known, nil
	}
	sum := sha256.Sum256(leaf.Raw)
	seen := base64.RawURLEncoding.EncodeToString(sum[:])
	if known != "" && known != seen {
		return "", &Denial{Reason: UnsafeClaim, Detail: "the credential is about another certificate than that of the connection"}
	}
	return seen, nil
}

// appendTo writes the claims after others. Their values need no escaping: they
// are names of ours and base64url.
func (b bound) appendTo(to []byte) []byte {
	if b.thumbprint != "" {
		to = append(append(append(to, `,"cnf":{"x5t#S256":"`...), b.thumbprint...), `"}`...)
	}
	if b.digest != "" {
		to = append(append(to, `,"req":{"v":1,"parts":"`...), b.parts...)
		to = append(append(append(to, `","digest":"`...), b.digest...), `"}`...)
	}
	return to
}
