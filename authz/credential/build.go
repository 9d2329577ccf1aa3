package credential

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
)

// build makes a source of checked options. m's path is that of the field that
// is set.
func (m *mistakes) build(s *source, options Source, env *Env) {
	switch {
	case options.JWT != nil:
		m.buildJWT(s, options, env)
	case options.PeerCertificate != nil:
		m.buildCertificate(s, options, env)
	case options.EnvoyMetadata != nil:
		o := options.EnvoyMetadata
		s.metadata = &metadataSource{
			shelf:  shelf{o.Namespace, o.Key},
			reader: newReader(o.Name, o.Issuer, o.Audiences, o.ClaimPaths, false),
			env:    env,
		}
	}
}

func (m *mistakes) buildJWT(s *source, options Source, env *Env) {
	o := options.JWT
	var (
		file []byte
		keys KeySet
		err  error
	)
	if o.JWKSFile != "" {
		file, err = env.ReadFile(o.JWKSFile)
	}
	if err == nil {
		keys, err = env.KeySet(*o, file)
	}
	switch {
	case err == nil:
	case o.JWKSFile != "":
		m.add(".jwks_file", err)
	case o.JWKSURL != "":
		m.add(".jwks_url", err)
	default:
		m.add(".issuer", err)
	}
	s.jwt = &jwtSource{
		place: place{o.Header, o.Cookie}, forward: o.Forward, algorithms: o.Algorithms, keys: keys,
		reader:   newReader(o.Name, o.Issuer, o.Audiences, o.ClaimPaths, true),
		verified: verified{env.Cache, revision(options, file)},
		env:      env,
	}
}

func (m *mistakes) buildCertificate(s *source, options Source, env *Env) {
	o := options.PeerCertificate
	var (
		bundle []byte
		roots  *x509.CertPool
		err    error
	)
	if o.CAFile != "" {
		if bundle, err = env.ReadFile(o.CAFile); err == nil {
			roots, err = certificateAuthorities(bundle)
		}
		m.add(".ca_file", err)
	}
	s.certificate = &certificateSource{
		name: o.Name, trustDomains: o.TrustDomains, roots: roots,
		verified: verified{env.Cache, revision(options, bundle)},
		env:      env,
	}
}

// revision identifies a source's options and files. Two sources never share a
// cache entry, because their names differ.
func revision(options Source, file []byte) [sha256.Size]byte {
	description, err := json.Marshal(options)
	if err != nil {
		panic(err) // strings, lists and maps of strings: cannot happen
	}
	return sha256.Sum256(append(description, file...))
}

// certificateAuthorities reads a PEM file of CA certificates.
func certificateAuthorities(data []byte) (*x509.CertPool, error) {
	pool, count := x509.NewCertPool(), 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		count++
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("block %d is a %s, not a CERTIFICATE", count, quote(block.Type))
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			return nil, fmt.Errorf("block %d: %v", count, err)
		case !ca.BasicConstraintsValid || !ca.IsCA:
			return nil, fmt.Errorf("block %d is not the certificate of a CA: %s", count, quote(ca.Subject.String()))
		}
		pool.AddCert(ca)
	}
	if count == 0 {
		return nil, errors.New("holds no PEM block CERTIFICATE")
	}
	return pool, nil
}
