package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
)

// maxDER is more than any supported key has. It bounds what the arithmetic of a
// parser may cost.
const maxDER = 8 << 10

// parsePrivate reads PKCS#8, SEC1 or PKCS#1, whichever it is: files whose
// labels are mistaken work elsewhere.
func parsePrivate(der []byte) (*Key, error) {
	if len(der) > maxDER {
		return nil, errors.New("larger than any supported key: " + supported)
	}
	private := decodePrivate(der)
	if private == nil {
		return nil, errors.New(diagnose(der))
	}
	if !halvesAgree(der, private) {
		return nil, errors.New("the public key stored with the private key is not its own: the key is damaged, make a new one")
	}
	return newPrivateKey(private)
}

// decodePrivate drops the parsers' errors, which quote what they could not
// read.
func decodePrivate(der []byte) crypto.Signer {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		signer, _ := key.(crypto.Signer)
		return signer
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	return nil
}

func parsePublic(der []byte) (*Key, error) {
	if len(der) > maxDER {
		return nil, errors.New("larger than any supported key: " + supported)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New(diagnose(der))
	}
	return newPublicKey(public)
}

// sec1 is ECPrivateKey (RFC 5915 section 3).
type sec1 struct {
	Version    int
	Private    []byte
	Parameters asn1.RawValue  `asn1:"optional,explicit,tag:0"`
	Public     asn1.BitString `asn1:"optional,explicit,tag:1"`
}

// pkcs8 is PrivateKeyInfo (RFC 5208 section 5).
type pkcs8 struct {
	Version   int
	Algorithm pkix.AlgorithmIdentifier
	Private   []byte
}

// spki is SubjectPublicKeyInfo (RFC 5280 section 4.1).
type spki struct {
	Algorithm pkix.AlgorithmIdentifier
	Public    asn1.BitString
}

// halvesAgree compares the public key that an elliptic curve key carries with
// the one that follows from its private half. The parser derives it and ignores
// the other; RSA keys it compares itself.
func halvesAgree(der []byte, private crypto.Signer) bool {
	key, ok := private.(*ecdsa.PrivateKey)
	if !ok {
		return true
	}
	var outer pkcs8
	if _, err := asn1.Unmarshal(der, &outer); err == nil {
		der = outer.Private
	}
	var inner sec1
	if _, err := asn1.Unmarshal(der, &inner); err != nil {
		return false
	}
	stored := inner.Public.Bytes
	if len(stored) == 0 {
		return true
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return false
	}
	x, parity := point[1:1+len(point)/2], point[len(point)-1]&1
	return bytes.Equal(stored, point) || bytes.Equal(stored, append([]byte{2 + parity}, x...))
}

// diagnose says what is wrong with a key that no parser took.
func diagnose(der []byte) string {
	var parameters asn1.RawValue
	algorithm := ""
	var info pkcs8
	var public spki
	var ec sec1
	if _, err := asn1.Unmarshal(der, &info); err == nil {
		algorithm, parameters = info.Algorithm.Algorithm.String(), info.Algorithm.Parameters
	} else if _, err := asn1.Unmarshal(der, &public); err == nil {
		algorithm, parameters = public.Algorithm.Algorithm.String(), public.Algorithm.Parameters
	} else if _, err := asn1.Unmarshal(der, &ec); err == nil {
		algorithm = oidEC
		asn1.Unmarshal(ec.Parameters.Bytes, &parameters) // the content of [0]; none is an unknown curve
	}
	if algorithm == oidEC {
		return diagnoseCurve(parameters)
	}
	if name := map[string]string{
		"1.2.840.113549.1.1.10": "RSA-PSS",
		"1.2.840.113549.1.3.1":  "Diffie-Hellman",
		"1.2.840.10040.4.1":     "DSA",
		"1.3.101.110":           "X25519",
		"1.3.101.111":           "X448",
		"1.3.101.113":           "Ed448",
	}[algorithm]; name != "" {
		return name + " keys cannot sign assertions: " + supported
	}
	return "not a key that can be read: damaged, or of an unsupported kind; " + supported
}

const oidEC = "1.2.840.10045.2.1"

func diagnoseCurve(parameters asn1.RawValue) string {
	if parameters.Tag == asn1.TagSequence {
		return "the elliptic curve is written as explicit parameters: name it with `openssl pkey -in FILE -ec_param_enc named_curve -out keys.pem`"
	}
	var curve asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(parameters.FullBytes, &curve); err == nil {
		switch curve.String() {
		case "1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35":
			return "the private or the public half is not of its curve: the key is damaged, make a new one"
		case "1.3.132.0.10":
			return "the curve secp256k1 cannot sign assertions: " + supported
		}
	}
	return "this elliptic curve cannot sign assertions: " + supported
}
