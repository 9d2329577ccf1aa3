package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxBodyBytes = 1 << 20
	maxRedirects = 3

	minTTL     = time.Minute
	maxTTL     = time.Hour
	defaultTTL = 5 * time.Minute
)

// ValidURL reports why a URL may not be that of a key set or of an issuer: it
// must be https, or http and loopback unless insecureHTTP, and have no user and
// no fragment.
func ValidURL(raw string, insecureHTTP bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return errors.New("is not an absolute URL")
	case u.User != nil || u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return errors.New("has a user or a fragment")
	case u.Scheme == "http" && !insecureHTTP && !isLoopback(u.Hostname()):
		return errors.New("is not https: anybody on the network could replace the keys")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("is not an https URL")
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// place is how a URL appears in errors, logs and the status: its user and its
// query may be secrets.
func place(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(not a URL)"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// source is where a key set comes from. Only the goroutine that refreshes the
// set uses it.
type source struct {
	url      string // of the key set; "" until discovered
	issuer   string // "" when url was configured
	insecure bool
	client   *http.Client

	etag string // of the set in use
}

// answer is a good answer: a body, or the word that nothing has changed.
type answer struct {
	body      []byte
	unchanged bool
	etag      string
	ttl       time.Duration
}

// newClient returns a client of our own transport, or a copy of the one given,
// that follows redirects within the origin only: the configuration names who is
// asked, and an answer cannot change that.
func newClient(given *http.Client) *http.Client {
	client := &http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        90 * time.Second,
	}}
	if given != nil {
		copied := *given
		client = &copied
	}
	client.Jar = nil
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		first := via[0].URL
		if r.URL.Scheme != first.Scheme || r.URL.Host != first.Host {
			return errors.New("redirect to another origin is not followed: configure the final URL")
		}
		if len(via) > maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		return nil
	}
	return client
}

// keySet fetches the key set, after the discovery document if there is an
// issuer: the set may have moved.
func (s *source) keySet(ctx context.Context) (answer, error) {
	if s.issuer != "" {
		if err := s.discover(ctx); err != nil {
			return answer{}, err
		}
	}
	return s.get(ctx, s.url, s.etag)
}

// discover learns the URL of the key set (OpenID Connect Discovery section 4).
func (s *source) discover(ctx context.Context) error {
	a, err := s.get(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration", "")
	if err != nil {
		return err
	}
	document, err := decodeObject(a.body)
	if err != nil {
		return fmt.Errorf("discovery document of %s: %v", s.issuer, err)
	}
	if document["issuer"] != s.issuer {
		return fmt.Errorf("discovery document of %s names another issuer: configure exactly the one it names", s.issuer)
	}
	found, _ := document["jwks_uri"].(string)
	if err := ValidURL(found, s.insecure); err != nil {
		return fmt.Errorf("discovery document of %s: jwks_uri %v", s.issuer, err)
	}
	if strings.HasPrefix(s.issuer, "https:") && !strings.HasPrefix(found, "https:") {
		return fmt.Errorf("discovery document of %s: jwks_uri is not https like the issuer", s.issuer)
	}
	if found != s.url {
		s.url, s.etag = found, ""
	}
	return nil
}

func (s *source) get(ctx context.Context, target, etag string) (answer, error) {
	a, err := s.tryGet(ctx, target, etag)
	if err == nil {
		return a, nil
	}
	// The client's error repeats the URL with its query.
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return answer{}, fmt.Errorf("GET %s: %v", place(target), err)
}

func (s *source) tryGet(ctx context.Context, target, etag string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return answer{}, errors.New("not a URL")
	}
	r.Header.Set("Accept", "application/json")
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{etag: resp.Header.Get("ETag"), ttl: lifetime(resp.Header)}
	switch {
	case resp.StatusCode == http.StatusNotModified && etag != "":
		a.unchanged, a.etag = true, etag
		return a, nil
	case resp.StatusCode != http.StatusOK:
		return answer{}, fmt.Errorf("status %d, not 200", resp.StatusCode)
	}
	// After decompression, which the transport does.
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBodyBytes+1))
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer: %v", err)
	}
	if len(a.body) > maxBodyBytes {
		return answer{}, fmt.Errorf("answer longer than %d bytes", maxBodyBytes)
	}
	return a, nil
}

// lifetime is how long an answer is fresh, within our bounds: an issuer, or a
// cache on the way, can neither make us ask all the time nor pin its keys.
func lifetime(h http.Header) time.Duration {
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return minTTL
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if errors.Is(err, strconv.ErrRange) {
				return maxTTL
			}
			if err != nil {
				return defaultTTL
			}
			return min(max(time.Duration(seconds)*time.Second, minTTL), maxTTL)
		}
	}
	return defaultTTL
}
