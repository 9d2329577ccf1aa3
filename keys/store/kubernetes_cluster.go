package store

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"privyseal/keys"
)

const (
	// Where the kubelet mounts the service account of a pod.
	podTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	podCAFile    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"

	// credentialsAge is how long token and authorities are used before they are
	// read again; the kubelet replaces a token long before it expires.
	credentialsAge = time.Minute

	// maxAnswer bounds what is read of an answer, in bytes: a Secret has at most
	// 1 MiB, a third more in base64, and its metadata.
	maxAnswer = 3 << 20

	maxToken    = 64 << 10
	maxAttempts = 5
)

// cluster is how an API server is reached.
type cluster struct {
	name              string // the address
	server            string // https://HOST:PORT, without a slash at the end
	tokenFile, caFile string // caFile empty: the system's authorities
	now               func() time.Time

	mu    sync.Mutex
	login login
}

// login is what was read from the files, and when.
type login struct {
	token  string
	client *http.Client
	read   time.Time
}

func openKubernetes(address string, o Options) (keys.Store, error) {
	refuse := func(why string) (keys.Store, error) {
		return nil, fmt.Errorf("the address %s: %s; expected kubernetes://NAMESPACE/SECRET", redact(address), why)
	}
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Port() != "" || u.Fragment != "" {
		return refuse("it does not parse")
	}
	query, err := parseQuery(u, "server", "token_file", "ca_file")
	if err != nil {
		return refuse(err.Error())
	}
	k := &kubernetes{namespace: u.Host, secret: strings.TrimPrefix(u.Path, "/")}
	if !isName(k.namespace) || strings.Contains(k.namespace, ".") || !isName(k.secret) {
		return refuse("namespace and Secret are lower-case DNS names")
	}
	k.name, k.now = redact(address), o.Now
	k.tokenFile, k.caFile, k.server = query["token_file"], query["ca_file"], query["server"]
	if k.tokenFile == "" {
		k.tokenFile = podTokenFile
	}
	if k.server == "" {
		host, port := o.Getenv("KUBERNETES_SERVICE_HOST"), o.Getenv("KUBERNETES_SERVICE_PORT")
		if host == "" || port == "" {
			return refuse("this is no pod (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set): name the API server with server=https://..., token_file= and ca_file=")
		}
		k.server = "https://" + net.JoinHostPort(host, port)
		if k.caFile == "" {
			k.caFile = podCAFile
		}
	}
	server, err := url.Parse(k.server)
	if err != nil || server.Scheme != "https" || server.Host == "" || server.User != nil || server.RawQuery != "" || server.Fragment != "" {
		return refuse("server= is https://HOST:PORT")
	}
	k.server = strings.TrimSuffix(k.server, "/")
	return k, nil
}

// isName reports whether s is a DNS subdomain (RFC 1123), as names of objects
// are. Such a name needs no escaping in a path or in JSON.
func isName(s string) bool {
	return s != "" && len(s) <= 253 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" &&
		!strings.ContainsAny(s[:1]+s[len(s)-1:], "-.") && !strings.Contains(s, "..")
}

// String returns the address.
func (c *cluster) String() string { return c.name }

// request sends a request and reads the whole answer.
func (c *cluster) request(ctx context.Context, method, path string, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*requestTimeout)
	defer cancel()
	response, err := c.send(ctx, method, path, body)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	return readAnswer(response)
}

func readAnswer(response *http.Response) (answer, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("the answer ended early: %w", err)
	}
	if len(body) > maxAnswer {
		return answer{}, fmt.Errorf("the answer has more than %d bytes: is this the address of an API server?", maxAnswer)
	}
	date, _ := http.ParseTime(response.Header.Get("Date"))
	return answer{status: response.StatusCode, date: date, body: body}, nil
}

// send sends a request until it is answered with something else than "later" or
// "who are you".
func (c *cluster) send(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	renewed := false
	for attempt := 1; ; attempt++ {
		response, err := c.sendOnce(ctx, method, path, body)
		if err != nil {
			return nil, err
		}
		wait, later := retryAfter(method, response)
		switch {
		case response.StatusCode == http.StatusUnauthorized && !renewed:
			c.forget()
			renewed = true
		case later && attempt < maxAttempts && waitable(ctx, wait):
		default:
			return response, nil
		}
		response.Body.Close()
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the API server asked to wait %v: %w", wait, ctx.Err())
		case <-time.After(wait):
		}
	}
}

// retryAfter returns how long the server asks to wait (RFC 9110 section 10.2.3,
// in seconds, as API servers write it). A write is repeated after a 429 alone: an
// API server says 429 before it does anything, while a 503 may come from between,
// after the write was done.
func retryAfter(method string, response *http.Response) (time.Duration, bool) {
	later := response.StatusCode == http.StatusTooManyRequests ||
		response.StatusCode == http.StatusServiceUnavailable && method == http.MethodGet
	if !later {
		return 0, false
	}
	seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16)
	return time.Duration(seconds) * time.Second, err == nil
}

// waitable reports whether the context lasts longer than the wait.
func waitable(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > wait
}

func (c *cluster) sendOnce(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	login, err := c.credentials()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+login.token)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "privyseal")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := login.client.Do(request)
	if err != nil {
		c.forget() // the authorities may have been replaced
		return nil, fmt.Errorf("no answer: %w; check that the API server can be reached and that ca_file= is its authority", err)
	}
	return response, nil
}

// credentials returns token and client, from the files if the last reading is
// too old.
func (c *cluster) credentials() (login, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.login.client != nil && now.Sub(c.login.read).Abs() < credentialsAge {
		return c.login, nil
	}
	token, err := readToken(c.tokenFile)
	if err != nil {
		return login{}, err
	}
	client, err := c.newClient()
	if err != nil {
		return login{}, err
	}
	if c.login.client != nil {
		c.login.client.CloseIdleConnections()
	}
	c.login = login{token: token, client: client, read: now}
	return c.login, nil
}

// forget makes the next request read token and authorities again.
func (c *cluster) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.login.read = time.Time{}
}

func readToken(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("token_file: %v: mount the token of a service account (automountServiceAccountToken), or name its file with token_file=", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	token := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		return "", fmt.Errorf("token_file: %v", err)
	case token == "" || len(text) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("token_file: %s does not hold one token", file)
	}
	return token, nil
}

// newClient takes no proxy from the environment and follows no redirect: the
// token goes to the configured server and nowhere else.
func (c *cluster) newClient() (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.caFile != "" {
		roots, err := readAuthorities(c.caFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = roots
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: requestTimeout}).DialContext,
			TLSClientConfig:        config,
			TLSHandshakeTimeout:    requestTimeout,
			ResponseHeaderTimeout:  requestTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
			HTTP2:                  &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: requestTimeout},
			DisableCompression:     true, // so that the bound is on what was sent
			MaxIdleConns:           2,
			IdleConnTimeout:        credentialsAge,
		},
	}, nil
}
