package privyseal

import (
	"net/http"
	"strings"

	"privyseal/authz"
	"privyseal/authz/login"
)

// Paths of the public listener; every other path is 404.
const (
	jwksPath         = "/.well-known/jwks.json"
	pomeriumJWKSPath = "/.well-known/pomerium/jwks.json" // where verifiers of Pomerium's assertions look
	discoveryPath    = "/.well-known/openid-configuration"
)

// public is what the public listener serves: the key set, discovery, and the
// logouts of identity providers. There is no ServeMux, because it would redirect the doubled slash that verifiers
// make of an issuer with a trailing one, and most of them follow no redirect.
func (s *Service) public() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case jwksPath, pomeriumJWKSPath, "/" + pomeriumJWKSPath:
			s.ring.ServeHTTP(w, r)
		case discoveryPath:
			s.discovery(w, r)
		default:
			if strings.HasPrefix(r.URL.Path, login.BackChannelPath) {
				s.backChannel(w, r)
				return
			}
			http.NotFound(w, r)
		}
	})
}

// backChannel passes on a provider's word that sessions have ended.
func (s *Service) backChannel(w http.ResponseWriter, r *http.Request) {
	snap := s.acquire()
	if snap == nil {
		http.Error(w, "the service ends", http.StatusServiceUnavailable)
		return
	}
	defer snap.release()
	snap.logins.BackChannel().ServeHTTP(w, r)
}

// discovery answers with the metadata of OpenID Connect Discovery section 3, as
// far as it exists: an issuer and its keys, and nowhere to log in. The issuer
// must equal the iss of assertions, so there is none for a bare host name, and
// for an issuer that depends on the host only literal hosts of rules have one.
func (s *Service) discovery(w http.ResponseWriter, r *http.Request) {
	issuer, ok := s.current.Load().issuerFor(r.Host)
	switch {
	case !ok:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age=300, must-revalidate")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-Content-Type-Options", "nosniff")
	writeJSON(w, map[string]any{
		"issuer":                                issuer,
		"jwks_uri":                              strings.TrimSuffix(issuer, "/") + jwksPath,
		"response_types_supported":              []string{"id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": s.algorithms(),
	})
}

// issuerFor returns the iss of assertions for a host as a URL.
func (snap *snapshot) issuerFor(hostport string) (string, bool) {
	issuer, _ := authz.ParseIssuer(snap.config.Issuer) // parsed when the snapshot was built
	if issuer == "host" {
		return "", false
	}
	if !issuer.PerHost() {
		return string(issuer), true
	}
	host, err := authz.CanonicalHost(hostport)
	if err != nil {
		return "", false
	}
	for _, known := range snap.policy.Hosts() {
		if known == host {
			return issuer.For(host), true
		}
	}
	return "", false
}

func (s *Service) algorithms() []string {
	list := []string{}
	seen := map[string]bool{}
	for _, key := range s.ring.Status().Keys {
		if !seen[key.Algorithm] {
			seen[key.Algorithm] = true
			list = append(list, key.Algorithm)
		}
	}
	return list
}
