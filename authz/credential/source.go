package credential

// Source is one entry of identity: exactly one of its fields is set.
type Source struct {
	JWT             *JWT             `yaml:"jwt"`
	PeerCertificate *PeerCertificate `yaml:"peer_certificate"`
	EnvoyMetadata   *EnvoyMetadata   `yaml:"envoy_metadata"`
}

// JWT is a source of signed tokens (RFC 7519): OpenID Connect ID tokens, OAuth
// access tokens (RFC 9068), Kubernetes service account tokens.
type JWT struct {
	// Name is what rules call the source: 1 to 32 of a-z, 0-9 and '-', unique
	// among all sources, not beginning with '-'.
	Name string `yaml:"name"`
	// Issuer is the exact iss of the tokens: an https URL; http on loopback.
	Issuer string `yaml:"issuer"`
	// Audiences are ours: a token's aud must hold one of them. Required.
	Audiences []string `yaml:"audiences"`
	// JWKSURL is where the issuer publishes its keys, and JWKSFile a file that
	// holds them; at most one. Default: OpenID Connect discovery at the issuer.
	JWKSURL  string `yaml:"jwks_url"`
	JWKSFile string `yaml:"jwks_file"`
	// Header carries the token, in lower case: in authorization after the
	// scheme Bearer, in any other header bare or after Bearer. Default
	// authorization, or none if Cookie is set.
	Header string `yaml:"header"`
	// Cookie carries the token. Both may be named; a request that has a token
	// in both is refused. Sources that share a header or a cookie must share
	// both.
	Cookie string `yaml:"cookie"`
	// Forward leaves the token in the request for the application. Default
	// false: it is removed.
	Forward bool `yaml:"forward"`
	// ClaimPaths say where claims are found: keys groups, email, name, subject
	// and session; values a claim's name, or names joined by dots that lead
	// into objects. Defaults groups, email, name, sub and sid.
	ClaimPaths map[string]string `yaml:"claim_paths"`
	// Email is "trusted" if every address is the person's own. Default "":
	// only where the token says email_verified: true, which speaks of the
	// claim email and of no other path.
	Email string `yaml:"email"`
	// Primary lets this source's subjects stand unqualified where a rule
	// admits several sources. At most one source.
	Primary bool `yaml:"primary"`
	// Algorithms that the issuer signs with, of ES256 ES384 ES512 EdDSA RS256
	// RS384 RS512 PS256 PS384 PS512; symmetric ones and none do not exist here.
	// Default ES256 ES384 ES512 EdDSA RS256 PS256.
	Algorithms []string `yaml:"algorithms"`
}

// PeerCertificate is a source of client certificates that name one workload by
// a SPIFFE ID (X509-SVID). Exactly one of CAFile and EnvoyVerifies is set.
type PeerCertificate struct {
	// Name is what rules call the source; see [JWT.Name].
	Name string `yaml:"name"`
	// TrustDomains are those whose workloads may call, such as td.example.
	// Required; each belongs to one source.
	TrustDomains []string `yaml:"trust_domains"`
	// CAFile holds the PEM certificates of the CAs that issue the client
	// certificates, which are then verified here, whatever Envoy did. Envoy
	// passes on no intermediate certificate, so an intermediate CA that issues
	// them must be in the file itself. Needs include_peer_certificate: true.
	CAFile string `yaml:"ca_file"`
	// EnvoyVerifies says that every listener in front verifies client
	// certificates against these trust domains' CAs
	// (require_client_certificate and trusted_ca, never ACCEPT_UNTRUSTED).
	EnvoyVerifies bool `yaml:"envoy_verifies"`
	// Primary: see [JWT.Primary].
	Primary bool `yaml:"primary"`
}

// EnvoyMetadata is a source of claims that an Envoy filter before us verified
// and left in dynamic metadata, such as jwt_authn with payload_in_metadata. The
// filter must require a token or leave the key absent; ext_authz must list the
// namespace in metadata_context_namespaces.
type EnvoyMetadata struct {
	// Name is what rules call the source; see [JWT.Name].
	Name string `yaml:"name"`
	// Namespace is that of the filter. Default envoy.filters.http.jwt_authn.
	Namespace string `yaml:"namespace"`
	// Key holds the object of claims: jwt_authn's payload_in_metadata.
	// Required.
	Key string `yaml:"key"`
	// Issuer is the exact iss of the claims: an https URL; http on loopback.
	// Sources that share namespace and key have different issuers.
	Issuer string `yaml:"issuer"`
	// Audiences are ours: the claims' aud must hold one of them. Required.
	Audiences []string `yaml:"audiences"`
	// ClaimPaths: see [JWT.ClaimPaths].
	ClaimPaths map[string]string `yaml:"claim_paths"`
	// Email: see [JWT.Email].
	Email string `yaml:"email"`
	// Primary: see [JWT.Primary].
	Primary bool `yaml:"primary"`
}

// Description is what a policy must know of a source.
type Description struct {
	Name       string
	Primary    bool
	TrustEmail bool // e-mail addresses hold without email_verified
}

// Describe returns the source's name and marks; the zero value if none of its
// fields is set.
func (s Source) Describe() Description {
	switch {
	case s.JWT != nil:
		return Description{s.JWT.Name, s.JWT.Primary, s.JWT.Email == "trusted"}
	case s.PeerCertificate != nil:
		return Description{s.PeerCertificate.Name, s.PeerCertificate.Primary, false}
	case s.EnvoyMetadata != nil:
		return Description{s.EnvoyMetadata.Name, s.EnvoyMetadata.Primary, s.EnvoyMetadata.Email == "trusted"}
	}
	return Description{}
}

// Files returns the names of the files that the source is made from.
func (s Source) Files() []string {
	switch {
	case s.JWT != nil && s.JWT.JWKSFile != "":
		return []string{s.JWT.JWKSFile}
	case s.PeerCertificate != nil && s.PeerCertificate.CAFile != "":
		return []string{s.PeerCertificate.CAFile}
	}
	return nil
}

// defaulted returns a copy of the source with its defaults written out.
func (s Source) defaulted() Source {
	if s.JWT != nil {
		jwt := *s.JWT
		if jwt.Header == "" && jwt.Cookie == "" {
			jwt.Header = "authorization"
		}
		if len(jwt.Algorithms) == 0 {
			jwt.Algorithms = []string{"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"}
		}
		s.JWT = &jwt
	}
	if s.EnvoyMetadata != nil {
		metadata := *s.EnvoyMetadata
		if metadata.Namespace == "" {
			metadata.Namespace = "envoy.filters.http.jwt_authn"
		}
		s.EnvoyMetadata = &metadata
	}
	return s
}
