package login

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"privyseal/authz"
	"privyseal/authz/verify"
)

const (
	maxAnswerBytes = 64 << 10

	metadataFresh = time.Hour
	metadataStale = 24 * time.Hour // how long it outlives a provider that fails
)

// provider is an OpenID Connect provider as its discovery document and its keys
// describe it. It is shared by the sources that name its issuer, and outlives
// configurations.
type provider struct {
	issuer string
	client *http.Client
	keys   *verify.KeySet
	now    func() time.Time
	look   *tasks[*metadata]

	mu      sync.Mutex // guards the following
	known   *metadata  // nil until the first good answer
	fetched time.Time
	users   int
}

// metadata is what is needed of a discovery document (OpenID Connect Discovery
// section 3, RFC 8414, RFC 9207, OpenID Connect RP-Initiated Logout).
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	EndSession    string   `json:"end_session_endpoint"`
	NamesItself   bool     `json:"authorization_response_iss_parameter_supported"`
	ClientAuth    []string `json:"token_endpoint_auth_methods_supported"`
	PKCE          []string `json:"code_challenge_methods_supported"`
}

// metadata returns the discovery document. It waits only for the first; later
// ones are fetched in the background.
func (p *provider) metadata(ctx context.Context) (*metadata, error) {
	p.mu.Lock()
	known, age := p.known, p.now().Sub(p.fetched)
	p.mu.Unlock()
	key := p.key()
	switch {
	case known != nil && age < metadataFresh:
		return known, nil
	case known != nil && age < metadataStale:
		p.look.start(key, p.discover) // too many: the next request tries again
		return known, nil
	}
	found, err := p.look.join(ctx, key, p.discover)
	if err != nil {
		return nil, unavailable("the identity provider is not available", fmt.Errorf("discovery of %s: %v", p.issuer, err))
	}
	return found, nil
}

func (p *provider) key() [sha256.Size]byte { return sha256.Sum256([]byte(p.issuer)) }

// discover fetches the discovery document.
func (p *provider) discover(ctx context.Context) (*metadata, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.issuer, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, errors.New("the issuer is not a URL")
	}
	r.Header.Set("Accept", "application/json")
	resp, err := p.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	var m metadata
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, errors.New("the document is not JSON of the right form")
	}
	if err := m.valid(p.issuer); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known, p.fetched = &m, p.now()
	return &m, nil
}

// valid refuses a document of another issuer, and endpoints that would send
// codes and secrets over an open network.
func (m *metadata) valid(issuer string) error {
	if m.Issuer != issuer {
		return errors.New("the document names another issuer: configure exactly the one it names")
	}
	for _, endpoint := range []struct {
		name, url string
		required  bool
	}{{"authorization_endpoint", m.Authorization, true}, {"token_endpoint", m.Token, true}, {"end_session_endpoint", m.EndSession, false}} {
		if endpoint.url == "" && !endpoint.required {
			continue
		}
		err := verify.ValidURL(endpoint.url, false)
		if err == nil && strings.HasPrefix(issuer, "https:") && !strings.HasPrefix(endpoint.url, "https:") {
			err = errors.New("is not https like the issuer")
		}
		if err != nil {
			return fmt.Errorf("the document's %s %v", endpoint.name, err)
		}
	}
	if len(m.PKCE) > 0 && !slices.Contains(m.PKCE, "S256") {
		return errors.New("the provider does not support PKCE with S256")
	}
	return nil
}

// config is how this service presents itself to the provider.
func (m *metadata) config(o *Source) *oauth2.Config {
	style := oauth2.AuthStyleInHeader
	if o.ClientSecret == "" || len(m.ClientAuth) > 0 && !slices.Contains(m.ClientAuth, "client_secret_basic") {
		style = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: o.ClientID, ClientSecret: strings.TrimSpace(o.ClientSecret), Scopes: o.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.Authorization, TokenURL: m.Token, AuthStyle: style},
	}
}

// unavailable is the denial while a provider or a store cannot be reached.
func unavailable(detail string, cause error) *authz.Denial {
	return (&authz.Denial{Reason: authz.SourceUnavailable, Detail: detail}).Because(cause)
}

// newClient returns a client that reads bounded answers and follows no
// redirect: the discovery document names who is asked.
func newClient(given *http.Client) *http.Client {
	var transport http.RoundTripper = &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxAnswerBytes,
		MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 5 * time.Second,
	}
	if given != nil && given.Transport != nil {
		transport = given.Transport
	}
	return &http.Client{
		Transport:     bounded{transport},
		Timeout:       taskTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded is a transport whose answers end in an error after maxAnswerBytes.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswerBytes)
	}
	return resp, err
}
