package login_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/login"
)

const (
	clientSecret = "the-client-secret-of-the-tests"
	cookieSecret = "0123456789abcdef0123456789abcdef"
	home         = "https://app.example"
)

// world is a service with one or more login sources in front of an application
// that every host reaches.
type world struct {
	t      testing.TB
	clock  *clock
	op     *provider
	memory *login.Memory
	logins *login.Logins
	judge  func(*authz.Identity) error
	gate   *authz.Authorizer
}

func newWorld(t testing.TB, edit ...func(*login.Source)) *world {
	t.Helper()
	return worldOf(t, func(*provider) {}, edit...)
}

// worldOf is a world whose provider is so from the beginning.
func worldOf(t testing.TB, op func(*provider), edit ...func(*login.Source)) *world {
	t.Helper()
	c := newClock()
	w := &world{t: t, clock: c, op: newProvider(t, c)}
	op(w.op)
	w.memory = login.NewMemory(login.MemoryOptions{Now: c.Now})
	t.Cleanup(w.memory.Close)
	o := w.options()
	for _, f := range edit {
		f(&o)
	}
	w.use(o)
	return w
}

func (w *world) options() login.Source {
	return login.Source{Name: "corp", Issuer: w.op.URL, ClientID: "privyseal", ClientSecret: clientSecret, CookieSecrets: []string{cookieSecret}}
}

// use gives the service another configuration.
func (w *world) use(options ...login.Source) {
	w.t.Helper()
	logins, err := login.New(options, w.memory)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(logins.Close)
	w.logins = logins
	var names []string
	for _, o := range options {
		names = append(names, o.Name)
	}
	rule := &authz.Rule{
		Name: "app", Pattern: "*", AudienceFrom: authz.AudienceHost, TTL: time.Minute, Sources: names,
		Authenticate: []authz.Authenticator{logins.For(names)}, Explain: "Only staff may see this.",
		Judge: judge(func(id *authz.Identity) error {
			if w.judge != nil {
				return w.judge(id)
			}
			return nil
		}),
	}
	w.gate, err = authz.New(authz.Options{Policy: policy{rule}, Signer: signer{}, Endpoints: logins.Endpoints(), Now: w.clock.Now})
	if err != nil {
		w.t.Fatal(err)
	}
}

type policy struct{ rule *authz.Rule }

func (p policy) Match(*authz.Request) (*authz.Rule, *authz.Denial) { return p.rule, nil }

type judge func(*authz.Identity) error

func (j judge) Judge(_ context.Context, _ *authz.Request, id *authz.Identity) (authz.Extra, error) {
	return authz.Extra{}, j(id)
}

type signer struct{}

func (signer) KeyID() string { return "k" }
func (signer) Sign(context.Context, []byte) (string, string, error) {
	return "header.payload.signature", "k", nil
}

// browser is a person's browser: it keeps cookies by host as browsers do and
// sends Fetch Metadata.
type browser struct {
	w       *world
	cookies map[string]map[string]string // by host and name
	plain   bool                         // sends no Fetch Metadata
	within  time.Duration                // Envoy's patience; 0 is without end
}

func (w *world) browser() *browser {
	return &browser{w: w, cookies: map[string]map[string]string{}}
}

// copied is a browser with the same cookies: a thief's, or the same one earlier.
func (b *browser) copied() *browser {
	c := *b
	c.cookies = map[string]map[string]string{}
	for host, jar := range b.cookies {
		c.cookies[host] = maps.Clone(jar)
	}
	return &c
}

// answer is what a request came to.
type answer struct {
	url      string
	granted  bool
	identity authz.Record
	cookie   string // that the application receives
	status   int
	location string
	kind     string
	body     string
	reason   authz.Reason
	cause    string
	login    []string // WWW-Authenticate
}

var navigation = map[string]string{
	"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": "none",
}

var script = map[string]string{"accept": "*/*", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "sec-fetch-site": "same-origin"}

// send makes one request and keeps the cookies of the answer.
func (b *browser) send(method, target string, headers map[string]string) answer {
	b.w.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		b.w.t.Fatal(err)
	}
	r, denial := authz.NewRequest(method, u.Scheme, u.Host, u.RequestURI())
	if denial != nil {
		b.w.t.Fatalf("%s: %v", target, denial)
	}
	h := authz.HeaderMap{}
	for name, value := range headers {
		if !b.plain || !strings.HasPrefix(name, "sec-fetch-") {
			h[name] = []string{value}
		}
	}
	jar := b.cookies[u.Host]
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(jar)) {
		pairs = append(pairs, name+"="+jar[name])
	}
	if pairs != nil {
		h["cookie"] = []string{strings.Join(pairs, "; ")}
	}
	r.Headers = h
	ctx := b.w.t.Context()
	if b.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.within)
		defer cancel()
	}
	d := b.w.gate.Authorize(ctx, r)
	b.keep(u.Host, d.SetCookies())
	a := answer{url: target, identity: d.Record, reason: d.Record.Reason, cause: d.Record.Cause}
	g := d.Grant()
	if g == nil {
		reply := d.Reply()
		a.status, a.location, a.kind, a.body, a.login = reply.Status, reply.Location, reply.ContentType, string(reply.Body), reply.Challenges
		return a
	}
	a.granted, a.cookie = true, strings.Join(h["cookie"], ",")
	for _, f := range g.Set() {
		if f.Name == "cookie" {
			a.cookie = f.Value
		}
	}
	if slices.Contains(g.Remove(), "cookie") {
		a.cookie = ""
	}
	return a
}

// keep stores cookies as a browser does, and refuses what browsers refuse.
func (b *browser) keep(host string, lines []string) {
	b.w.t.Helper()
	for _, line := range lines {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			b.w.t.Fatalf("cookie %q: %v", line, err)
		}
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			b.w.t.Errorf("cookie %s lacks an attribute: %+v", c.Name, c)
		}
		if len(line) > 4096 {
			continue // and the browser goes round in circles
		}
		if b.cookies[host] == nil {
			b.cookies[host] = map[string]string{}
		}
		b.cookies[host][c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.cookies[host], c.Name)
		}
	}
}

// open opens a page as a person does, and goes where the browser is sent.
func (b *browser) open(target string) answer {
	b.w.t.Helper()
	for range 12 {
		a := b.send("GET", target, navigation)
		if a.location == "" {
			return a
		}
		target = b.follow(target, a.location)
	}
	b.w.t.Fatal("the browser is sent round in circles")
	return answer{}
}

// follow goes where a reply leads: within the host, or to a provider and back.
func (b *browser) follow(from, location string) (next string) {
	b.w.t.Helper()
	base, _ := url.Parse(from)
	to, err := base.Parse(location)
	if err != nil {
		b.w.t.Fatal(err)
	}
	if to.Host == base.Host {
		return to.String()
	}
	return b.w.visit(to.String())
}

// visit opens a page of a provider and returns where it sends the browser.
func (w *world) visit(target string) (next string) {
	w.t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(target)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusFound {
		w.t.Fatalf("the provider answers %d: %s", resp.StatusCode, body)
	}
	return resp.Header.Get("Location")
}

// begin opens a page and stops where the provider would send the browser back.
func (b *browser) begin(target string) (callback string) {
	b.w.t.Helper()
	a := b.send("GET", target, navigation)
	if a.status != 303 {
		b.w.t.Fatalf("%s: %d %s %s (%s)", target, a.status, a.reason, a.body, a.cause)
	}
	return b.follow(target, a.location)
}

// loggedIn is a browser that has logged in at the start page.
func (w *world) loggedIn() *browser {
	w.t.Helper()
	b := w.browser()
	if a := b.open(home + "/"); !a.granted {
		w.t.Fatalf("login: %d %s (%s)\n%s", a.status, a.reason, a.cause, a.body)
	}
	return b
}

// cookie finds a cookie by the beginning of its name.
func (b *browser) cookie(prefix string) (name, value string) {
	for name, value := range b.cookies["app.example"] {
		if strings.HasPrefix(name, prefix) {
			return name, value
		}
	}
	return "", ""
}

func (b *browser) count(prefix string) int {
	n := 0
	for name := range b.cookies["app.example"] {
		if strings.HasPrefix(name, prefix) {
			n++
		}
	}
	return n
}

const (
	sessionCookie = "__Host-privyseal-session-corp"
	flowCookie    = "__Host-privyseal-flow-"
)
