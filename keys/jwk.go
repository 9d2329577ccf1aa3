package keys

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwa"
)

// description is a public key in the words of RFC 7518 section 6 and RFC 8037
// section 2.
type description struct {
	alg      jwa.SignatureAlgorithm // the usual one
	kind     []member               // kty, or kty and crv
	material []member               // x and y, x, or n and e
}

// member is a member of a JSON object. Neither part ever needs escaping: names
// are ours, values are names of ours, hex or base64url.
type member struct{ name, value string }

func describe(public crypto.PublicKey) (description, error) {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		return describeEC(public)
	case ed25519.PublicKey:
		return description{
			alg:      jwa.EdDSA,
			kind:     []member{{"kty", "OKP"}, {"crv", "Ed25519"}},
			material: []member{{"x", base64url(public)}},
		}, nil
	case *rsa.PublicKey:
		return description{
			alg:      jwa.RS256,
			kind:     []member{{"kty", "RSA"}},
			material: []member{{"n", base64url(public.N.Bytes())}, {"e", base64url(big.NewInt(int64(public.E)).Bytes())}},
		}, nil
	}
	return description{}, fmt.Errorf("this kind of key (%T) cannot sign assertions: %s", public, supported)
}

func describeEC(public *ecdsa.PublicKey) (description, error) {
	var alg jwa.SignatureAlgorithm
	switch public.Curve {
	case elliptic.P256():
		alg = jwa.ES256
	case elliptic.P384():
		alg = jwa.ES384
	case elliptic.P521():
		alg = jwa.ES512
	default:
		return description{}, errors.New("this elliptic curve cannot sign assertions: " + supported)
	}
	point, err := public.Bytes() // 4, x, y, each coordinate as wide as the curve
	if err != nil {
		return description{}, errors.New("the public key is not a point on its curve: make a new key")
	}
	x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
	return description{
		alg:      alg,
		kind:     []member{{"kty", "EC"}, {"crv", public.Curve.Params().Name}},
		material: []member{{"x", base64url(x)}, {"y", base64url(y)}},
	}, nil
}

// algorithm returns the algorithm of this name, or without a name the usual
// one, if keys of this kind sign with it.
func (d description) algorithm(name string) (jwa.SignatureAlgorithm, error) {
	switch {
	case name == "" || name == d.alg.String():
		return d.alg, nil
	case d.alg == jwa.RS256 && name == jwa.PS256.String():
		return jwa.PS256, nil
	}
	return "", fmt.Errorf("a key for %s cannot sign %q", d.alg, name)
}

// thumbprint digests the required members in lexicographic order (RFC 7638
// section 3.2).
func (d description) thumbprint() string {
	members := slices.Concat(d.kind, d.material)
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.name, b.name) })
	sum := sha256.Sum256(object(members))
	return hex.EncodeToString(sum[:])
}

// jwk lists the public members in the order that Pomerium's key sets have.
func (d description) jwk(kid string) []byte {
	members := []member{{"use", "sig"}, d.kind[0], {"kid", kid}}
	members = append(members, d.kind[1:]...)
	members = append(members, member{"alg", d.alg.String()})
	return object(append(members, d.material...))
}

func object(members []member) []byte {
	var b bytes.Buffer
	for i, m := range members {
		b.WriteString([]string{"{", ","}[min(i, 1)])
		fmt.Fprintf(&b, `"%s":"%s"`, m.name, m.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// renderJWKS returns the JWK Set (RFC 7517 section 5) of keys.
func renderJWKS(list []*Key) []byte {
	jwks := make([][]byte, len(list))
	for i, k := range list {
		jwks[i] = k.jwk
	}
	return slices.Concat([]byte(`{"keys":[`), bytes.Join(jwks, []byte(",")), []byte(`]}`))
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
