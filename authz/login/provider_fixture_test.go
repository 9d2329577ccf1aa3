package login_test

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
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// clock is the time of everybody in a test; it moves when it is told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// provider is an OpenID Connect provider that logs everybody in as its user,
// keeps the rules of the protocol, and lies where a test tells it to.
type provider struct {
	*httptest.Server
	t     testing.TB
	clock *clock
	key   *ecdsa.PrivateKey
	kid   string

	mu            sync.Mutex // guards the following
	user          map[string]any
	codes         map[string]url.Values // authorization requests, by code
	refresh       map[string]bool       // refresh tokens in force
	counts        map[string]int        // requests, by path
	namesItself   bool                  // RFC 9207
	accessLife    time.Duration
	noRefresh     bool
	keepRefresh   bool // refresh tokens serve more than once
	discovery     func(map[string]any)
	idToken       func(map[string]any)
	beforeAnswer  func(w http.ResponseWriter, r *http.Request) (answered bool)
	signWith      *ecdsa.PrivateKey // in place of key
	signKid       string
	refuseRefresh string // the error, in place of an answer
}

func newProvider(t testing.TB, c *clock) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{
		t: t, clock: c, key: key, kid: rand.Text(), accessLife: 5 * time.Minute,
		codes: map[string]url.Values{}, refresh: map[string]bool{}, counts: map[string]int{},
		user: map[string]any{"sub": "alice", "email": "alice@corp.example", "email_verified": true, "name": "Alice", "groups": []string{"staff"}, "sid": "op-session-1"},
	}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	return p
}

// set changes the provider between requests.
func (p *provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *provider) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[path]
}

func (p *provider) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.counts[r.URL.Path]++
	before := p.beforeAnswer
	p.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		p.discover(w)
	case "/jwks":
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: p.kid, Algorithm: "ES256", Use: "sig"}}})
	case "/authorize":
		p.authorize(w, r)
	case "/token":
		p.token(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *provider) discover(w http.ResponseWriter) {
	document := map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
		"jwks_uri": p.URL + "/jwks", "end_session_endpoint": p.URL + "/logout", "code_challenge_methods_supported": []string{"S256"},
		"authorization_response_iss_parameter_supported": p.namesItself,
	}
	if p.discovery != nil {
		p.discovery(document)
	}
	json.NewEncoder(w).Encode(document)
}

// authorize logs the user in at once, as a provider with a session does.
func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != "privyseal" || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" ||
		q.Get("nonce") == "" || q.Get("state") == "" || !strings.Contains(q.Get("scope"), "openid") {
		http.Error(w, "bad authorization request: "+r.URL.RawQuery, http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.codes[code] = q
	back, _ := url.Parse(q.Get("redirect_uri"))
	answer := url.Values{"code": {code}, "state": {q.Get("state")}}
	if p.namesItself {
		answer.Set("iss", p.URL)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	if id, secret, _ := r.BasicAuth(); id != "privyseal" || secret != clientSecret {
		p.refuse(w, "invalid_client")
		return
	}
	r.ParseForm()
	var nonce string
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		asked, known := p.codes[r.PostForm.Get("code")]
		delete(p.codes, r.PostForm.Get("code"))
		sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
		if !known || asked.Get("redirect_uri") != r.PostForm.Get("redirect_uri") ||
			asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
			p.refuse(w, "invalid_grant")
			return
		}
		nonce = asked.Get("nonce")
	case "refresh_token":
		token := r.PostForm.Get("refresh_token")
		if p.refuseRefresh != "" {
			p.refuse(w, p.refuseRefresh)
			return
		}
		if !p.refresh[token] {
			p.refuse(w, "invalid_grant")
			return
		}
		if !p.keepRefresh {
			delete(p.refresh, token)
		}
	}
	answer := map[string]any{
		"access_token": rand.Text(), "token_type": "Bearer", "expires_in": int(p.accessLife.Seconds()), "id_token": p.idTokenFor(nonce),
	}
	if !p.noRefresh {
		next := rand.Text()
		if p.keepRefresh {
			next = "the same always"
		}
		p.refresh[next] = true
		answer["refresh_token"] = next
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

func (p *provider) refuse(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `{"error":%q,"error_description":"secret detail of the provider"}`, code)
}

func (p *provider) idTokenFor(nonce string) string {
	now := p.clock.Now()
	claims := map[string]any{"iss": p.URL, "aud": "privyseal", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "auth_time": now.Unix()}
	maps.Copy(claims, p.user)
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if p.idToken != nil {
		p.idToken(claims)
	}
	return p.sign("JWT", claims)
}

// sign makes a JWT with the provider's key.
func (p *provider) sign(typ string, claims map[string]any) string {
	key, kid := p.key, p.kid
	if p.signWith != nil {
		key = p.signWith
	}
	if p.signKid != "" {
		kid = p.signKid
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: kid}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		p.t.Error(err)
		return ""
	}
	payload, _ := json.Marshal(claims)
	signed, err := signer.Sign(payload)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	text, _ := signed.CompactSerialize()
	return text
}

// logoutToken makes a logout token (Back-Channel Logout section 2.4).
func (p *provider) logoutToken(edit func(map[string]any)) string {
	return p.typed("logout+jwt", edit)
}

func (p *provider) typed(typ string, edit func(map[string]any)) string {
	now := p.clock.Now()
	claims := map[string]any{
		"iss": p.URL, "aud": "privyseal", "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": rand.Text(),
		"sub": "alice", "sid": "op-session-1", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	if edit != nil {
		edit(claims)
	}
	return p.sign(typ, claims)
}
