// Package verifytest is an issuer of identity assertions for the tests of
// applications that use package verify. It signs whatever it is told and
// publishes its keys on a loopback server, so that a test exercises the real
// verification, with good assertions and with every kind of bad one:
//
//	issuer := verifytest.NewIssuer()
//	defer issuer.Close()
//	handler := issuer.Verifier("orders").Middleware(application)
//	request.Header.Set(verify.DefaultHeader, issuer.Assertion("orders", "alice", nil))
//
// Its keys are made when it starts and die with it.
package verifytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"privyseal/authz/verify"
)

// KeySetPath is where the key set is served.
const KeySetPath = "/.well-known/jwks.json"

// Issuer signs assertions and serves its key set and discovery document. Its
// methods may be called from any goroutine.
type Issuer struct {
	// URL is the issuer's identifier, the iss of its assertions: an http URL of
	// the loopback interface.
	URL string

	server *httptest.Server
	keys   *verify.KeySet // what Verifier uses; made when first asked

	mu        sync.Mutex    // guards the following
	published []*signingKey // the last one signs
	made      int
	broken    http.Handler
	fetches   int
}

type signingKey struct {
	kid     string
	private *ecdsa.PrivateKey
}

// NewIssuer starts an issuer with one ES256 key. It panics if it cannot. The
// caller calls Close.
func NewIssuer() *Issuer {
	i := &Issuer{}
	i.Rotate()
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+KeySetPath, i.serveKeySet)
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.KeySetURL()})
	})
	i.server = httptest.NewServer(mux)
	i.URL = i.server.URL
	return i
}

// Close stops the server and the fetching of every verifier that [Issuer.Verifier]
// made.
func (i *Issuer) Close() {
	i.mu.Lock()
	keys := i.keys
	i.mu.Unlock()
	if keys != nil {
		keys.Close()
	}
	i.server.Close()
}

// KeySetURL is the URL of the key set, for [verify.Remote].
func (i *Issuer) KeySetURL() string { return i.URL + KeySetPath }

// Verifier returns a verifier of this issuer's assertions for an audience, with
// every other setting at its default.
func (i *Issuer) Verifier(audience string) *verify.Verifier {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.keys == nil {
		i.keys = verify.Remote(i.KeySetURL(), verify.Options{})
	}
	v, err := verify.New(verify.Config{Issuer: i.URL, Audience: audience, Keys: i.keys})
	if err != nil {
		panic("verifytest: " + err.Error())
	}
	return v
}

// Assertion returns an assertion as privyseal makes it, about a subject. Claims
// are added to it or replace what it has; a nil value removes the claim.
func (i *Issuer) Assertion(audience, subject string, claims map[string]any) string {
	now := time.Now()
	all := map[string]any{
		"iss": i.URL, "aud": audience, "sub": subject, "user": subject,
		"email": "", "name": "", "sid": "", "idp": "test", "groups": []string{},
		"iat": now.Add(-10 * time.Second).Unix(), "exp": now.Add(5 * time.Minute).Unix(), "jti": rand.Text(),
	}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return i.Sign(all)
}

// Sign signs exactly these claims with the newest key.
func (i *Issuer) Sign(claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic("verifytest: claims: " + err.Error())
	}
	return i.SignRaw(map[string]any{"alg": "ES256", "kid": i.KeyID(), "typ": "JWT"}, payload)
}

// SignRaw signs any header and any payload with the newest key, as ES256
// whatever the header says: for tokens that must be refused.
func (i *Issuer) SignRaw(header map[string]any, payload []byte) string {
	h, err := json.Marshal(header)
	if err != nil {
		panic("verifytest: header: " + err.Error())
	}
	signed := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.newest().private, digest[:])
	if err != nil {
		panic("verifytest: signing: " + err.Error())
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// KeyID is the kid of the key that signs.
func (i *Issuer) KeyID() string { return i.newest().kid }

func (i *Issuer) newest() *signingKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.published[len(i.published)-1]
}

// Rotate makes a new key, which signs from now on. The others stay published
// until [Issuer.Retire]. A verifier finds the first new key at once; after that
// it looks for an unknown key at most every 30 seconds of its clock.
func (i *Issuer) Rotate() {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("verifytest: generating a key: " + err.Error())
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made++
	i.published = append(i.published, &signingKey{fmt.Sprintf("key-%d", i.made), private})
}

// Retire withdraws every key but the one that signs.
func (i *Issuer) Retire() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.published = i.published[len(i.published)-1:]
}

// Break lets a handler answer for the key set instead: an outage, garbage, a
// redirect. nil repairs it.
func (i *Issuer) Break(h http.Handler) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.broken = h
}

// Fetches is how often the key set has been asked for.
func (i *Issuer) Fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// KeySet is the key set as it is published now.
func (i *Issuer) KeySet() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	keys := []map[string]string{}
	for _, k := range i.published {
		point, err := k.private.PublicKey.Bytes() // 4, x, y
		if err != nil {
			panic("verifytest: public key: " + err.Error())
		}
		keys = append(keys, map[string]string{
			"use": "sig", "kty": "EC", "kid": k.kid, "crv": "P-256", "alg": "ES256",
			"x": base64.RawURLEncoding.EncodeToString(point[1:33]),
			"y": base64.RawURLEncoding.EncodeToString(point[33:]),
		})
	}
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic("verifytest: key set: " + err.Error())
	}
	return b
}

func (i *Issuer) serveKeySet(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.fetches++
	broken := i.broken
	i.mu.Unlock()
	if broken != nil {
		broken.ServeHTTP(w, r)
		return
	}
	body := i.KeySet()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(body)))
	if r.Header.Get("If-None-Match") == w.Header().Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Write(body)
}
