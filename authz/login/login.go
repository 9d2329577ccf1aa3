package login

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"privyseal/authz"
	"privyseal/authz/verify"
)

// MemoryOptions are what logins need of the service around them.
type MemoryOptions struct {
	Now func() time.Time // default time.Now
	// Rand makes ids and secrets of attempts and sessions. Nonces of cookies
	// come from the system. Default crypto/rand.Reader.
	Rand io.Reader
	Log  *slog.Logger // default: discarded
	// Client's transport reaches the providers. Set it for a private
	// certificate authority. Default: a transport with the system's authorities
	// and the proxy of the environment.
	Client *http.Client
	// Offline makes sources that reach nobody, to check a configuration.
	Offline bool
}

// Memory is what outlives a configuration: what is known of providers, work
// under way, logouts that this process has seen, connections to stores. Make
// one for the life of the process. It is safe for concurrent use.
type Memory struct {
	env    environment
	client *http.Client
	cancel context.CancelFunc

	mu        sync.Mutex // guards the maps and the users in them
	providers map[string]*provider
	stores    map[string]*openStore
}

// environment is what sources share.
type environment struct {
	MemoryOptions
	codes    *tasks[*session] // exchanges of codes
	renewals *tasks[*session]
	look     *tasks[*metadata] // discovery, by issuer
	logouts  *memory           // where sessions are in cookies
}

type openStore struct {
	Store
	io.Closer
	users int
}

// renewalsKept is how long the outcome of a renewal is given to browsers that
// still send the session as it was before.
const renewalsKept = 10 * time.Minute

// NewMemory makes an empty memory.
func NewMemory(o MemoryOptions) *Memory {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Memory{
		env: environment{
			MemoryOptions: o, logouts: newMemory(o.Now), look: newTasks[*metadata](ctx, o.Now, 0),
			codes: newTasks[*session](ctx, o.Now, time.Minute), renewals: newTasks[*session](ctx, o.Now, renewalsKept),
		},
		client: newClient(o.Client), cancel: cancel,
		providers: map[string]*provider{}, stores: map[string]*openStore{},
	}
}

// Close ends all work and waits for it. Sources made with the memory are
// closed by themselves, before or after.
func (m *Memory) Close() {
	m.cancel()
	m.env.codes.stop()
	m.env.renewals.stop()
	m.env.look.stop()
	m.client.CloseIdleConnections()
}

// open returns the provider with an issuer and counts one user.
func (m *Memory) open(issuer string) *provider {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.providers[issuer]
	if p == nil {
		p = &provider{
			issuer: issuer, client: m.client, now: m.env.Now, look: m.env.look,
			keys: verify.Discover(issuer, verify.Options{Client: m.env.Client, Now: m.env.Now, Logger: m.env.Log, Algorithms: algorithms()}),
		}
		m.providers[issuer] = p
		p.look.start(p.key(), p.discover) // so that the first login need not wait
	}
	p.users++
	return p
}

func (m *Memory) release(p *provider) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.users--; p.users == 0 {
		delete(m.providers, p.issuer)
		go p.keys.Close() // waits for a fetch in flight
	}
}

// openStore returns the store at an address and counts one user. It connects
// when it is asked.
func (m *Memory) openStore(address string) (*openStore, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stores[address]
	if s == nil {
		redis, err := OpenRedis(address)
		if err != nil {
			return nil, err
		}
		s = &openStore{Store: redis, Closer: redis}
		m.stores[address] = s
	}
	s.users++
	return s, nil
}

func (m *Memory) releaseStore(address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stores[address]
	if s.users--; s.users == 0 {
		delete(m.stores, address)
		s.Close() // there is nothing to be done about an error
	}
}

// Logins are the configured providers. They are immutable and safe for
// concurrent use.
type Logins struct {
	memory  *Memory
	sources []*source
	closed  bool
}

// New makes the sources of a configuration. All mistakes are returned at once,
// as [authz.OptionError] values joined, with paths such as "[1].issuer".
// Providers need not be reachable.
func New(options []Source, memory *Memory) (_ *Logins, err error) {
	l := &Logins{memory: memory}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	var wrong []error
	for i := range options {
		m := mistakes{path: fmt.Sprintf("[%d]", i)}
		o := options[i].withDefaults()
		m.options(&o)
		for j := range i {
			m.besides(&o, &options[j])
		}
		if m.list == nil {
			s, err := l.source(o)
			m.add("", err)
			l.sources = append(l.sources, s)
		}
		wrong = append(wrong, m.list...)
	}
	for _, s := range l.sources {
		s.shared = slices.ContainsFunc(l.sources, func(other *source) bool { return other != s && other.RedirectPath == s.RedirectPath })
	}
	return l, errors.Join(wrong...)
}

// source makes one source of checked options.
func (l *Logins) source(o Source) (s *source, err error) {
	s = &source{Source: o, env: &l.memory.env, marks: l.memory.env.logouts}
	for _, key := range []struct {
		sealer  **sealer
		purpose string
	}{{&s.sessions, "session"}, {&s.stored, "stored"}, {&s.flows, "flow"}, {&s.tries, "tries"}} {
		if *key.sealer, err = newSealer(o.CookieSecrets, key.purpose, o.Name+" "+o.Issuer+" "+o.ClientID); err != nil {
			return s, err
		}
	}
	if l.memory.env.Offline {
		return s, nil
	}
	if o.Session.Store != "cookie" {
		opened, err := l.memory.openStore(o.Session.Store)
		if err != nil {
			return s, err
		}
		s.store, s.marks = opened, opened
	}
	s.provider = l.memory.open(o.Issuer)
	return s, nil
}

// Close lets go of providers and stores. What requests in flight began goes on
// in the [Memory]. It is not safe for concurrent use; closing twice is fine.
func (l *Logins) Close() {
	if l.closed {
		return
	}
	l.closed = true
	for _, s := range l.sources {
		if s.provider != nil {
			l.memory.release(s.provider)
		}
		if s.store != nil {
			l.memory.releaseStore(s.Source.Session.Store)
		}
	}
}

// KeySet returns the keys of a source's provider, for readiness and metrics; nil
// if there is no such source.
func (l *Logins) KeySet(name string) *verify.KeySet {
	if s := l.named(name); s != nil && s.provider != nil {
		return s.provider.keys
	}
	return nil
}

func (l *Logins) named(name string) *source {
	i := slices.IndexFunc(l.sources, func(s *source) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return l.sources[i]
}

// For returns the authenticator of a rule that admits the named sources, in
// that order; nil if none of them is ours. It is an [authz.Challenger].
func (l *Logins) For(names []string) authz.Authenticator {
	var offered []*source
	for _, name := range names {
		if s := l.named(name); s != nil {
			offered = append(offered, s)
		}
	}
	if offered == nil {
		return nil
	}
	return &offer{offered}
}
