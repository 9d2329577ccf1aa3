package privyseal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"privyseal/authz"
	"privyseal/authz/credential"
	"privyseal/authz/login"
	"privyseal/keys"
)

// ServiceOptions are what a Service is made of beside its configuration.
type ServiceOptions struct {
	// Load says where the configuration comes from; a reload reads it again.
	Load LoadOptions
	// Log receives what happens to the service. Default: discarded.
	Log *slog.Logger
	// Decisions receives one line of JSON for each check, whole lines and often
	// many at once. While it takes none, requests are let through only as long
	// as there is room to keep their records. Default: discarded.
	Decisions io.Writer
	// Drain is how long the service keeps answering after it said NOT_SERVING,
	// so that Envoy's health check sees it before the connections close.
	// Default 5s.
	Drain time.Duration
	Now   func() time.Time // default time.Now
	Rand  io.Reader        // default crypto/rand.Reader
}

// Service decides about requests with the current snapshot and reloads it. It
// is an [envoy.Authorizer].
type Service struct {
	options  ServiceOptions
	log      *slog.Logger
	ring     *keys.Ring
	keeper   *keys.Keeper // nil unless the keys rotate themselves
	dry      bool         // nothing outside is opened
	metrics  *metrics
	figures  *figures
	recorder *recorder
	keySets  keySets
	logins   *login.Memory
	tokens   *authz.Cache[credential.VerifiedToken]

	current atomic.Pointer[snapshot] // never nil after New

	closed    atomic.Bool
	reloading sync.Mutex             // one reload at a time; guards files
	files     files                  // as the last reload read them, good or bad
	failure   atomic.Pointer[string] // the last reload's mistake; nil if it succeeded
}

// New loads the configuration and everything it names, and returns a service
// that is ready to [Service.Run], or every mistake at once. Issuers of tokens
// need not be reachable.
func New(o ServiceOptions) (*Service, error) {
	s := prepare(o)
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

// prepare makes a service that has loaded nothing.
func prepare(o ServiceOptions) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Drain == 0 {
		o.Drain = 5 * time.Second
	}
	s := &Service{options: o, log: o.Log}
	s.ring = keys.NewRing(keys.RingOptions{Now: o.Now, Rand: o.Rand, Logger: o.Log})
	s.metrics = newMetrics(s)
	s.figures = newFigures(s.metrics)
	s.recorder = newRecorder(o.Decisions, o.Log, s.metrics.unrecorded)
	s.keySets.log, s.keySets.now = o.Log, o.Now
	s.logins = login.NewMemory(login.MemoryOptions{Now: o.Now, Rand: o.Rand, Log: o.Log})
	s.tokens = authz.NewCache[credential.VerifiedToken](tokenCacheBytes)
	return s
}

// Validate reports every mistake that would keep [New] from making a service of
// a configuration. It reads the files that New reads, and asks no issuer.
func Validate(o LoadOptions) error {
	s := prepare(ServiceOptions{Load: o})
	s.dry = true
	s.goOffline()
	if err := s.load(); err != nil {
		return err
	}
	s.Close()
	return nil
}

// goOffline makes a service that has loaded nothing ask no issuer.
func (s *Service) goOffline() {
	s.keySets.offline = true
	s.logins.Close()
	s.logins = login.NewMemory(login.MemoryOptions{Offline: true})
}

// Config returns the configuration in force. It is not to be changed.
func (s *Service) Config() *Config { return s.current.Load().config }

// Close lets go of what the service holds; after it, every request is denied. It
// is for services that are not [Service.Run]; Run closes by itself.
func (s *Service) Close() {
	if !s.closed.Swap(true) {
		s.current.Load().release()
		s.logins.Close()
	}
}

// Authorize decides with the current snapshot.
func (s *Service) Authorize(ctx context.Context, r *authz.Request) authz.Decision {
	snap := s.acquire()
	if snap == nil {
		closed := (authz.Denial{Reason: authz.Fault}).Because(errors.New("the service is closed"))
		return s.Refuse(ctx, r, closed)
	}
	defer snap.release()
	return snap.authorizer.Authorize(ctx, r)
}

// Refuse makes the decision for a request that cannot be read.
func (s *Service) Refuse(ctx context.Context, r *authz.Request, d *authz.Denial) authz.Decision {
	return s.current.Load().authorizer.Refuse(ctx, r, d)
}

// acquire returns the current snapshot and keeps it open until it is released;
// nil after Close.
func (s *Service) acquire() *snapshot {
	for !s.closed.Load() {
		if snap := s.current.Load(); snap.acquire() {
			return snap
		}
	}
	return nil
}

// Reload reads the configuration and all files it names again. If anything is
// wrong the old state stays in force, whole, and the error says what.
func (s *Service) Reload() error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	return s.reload()
}

func (s *Service) reload() error {
	err := s.load()
	s.metrics.reloaded(err, s.options.Now())
	if err == nil {
		s.failure.Store(nil)
		return nil
	}
	text := err.Error()
	s.failure.Store(&text)
	s.log.Error("reload failed; the old configuration stays in force", "error", text)
	return err
}

// load builds a snapshot from what the files hold now, and makes it current.
func (s *Service) load() error {
	read := newFiles(s.options.Load.ReadFile)
	defer func() { s.files = *read }()
	options := s.options.Load
	options.ReadFile = read.file
	old := s.current.Load()
	var next *snapshot
	config, err := loadChecked(options, func(config *Config) (err error) {
		next, err = s.build(config, read)
		return err
	})
	if err == nil && old != nil && !sameListeners(old.config, config) {
		err = errors.New("listen and insecure_grpc cannot change while the service runs: restart it")
	}
	if err == nil {
		err = read.unchanged()
	}
	if err == nil {
		err = s.useKeys(next)
	}
	if err != nil {
		if next != nil {
			next.release()
		}
		return err
	}
	s.current.Store(next)
	if old != nil {
		old.release()
		s.log.Info("configuration reloaded", "rules", len(next.policy.Rules()), "signing_kid", s.ring.KeyID())
	}
	return nil
}

// useKeys gives the ring the keys of a snapshot that is otherwise complete.
func (s *Service) useKeys(next *snapshot) error {
	switch {
	case next.config.Keys != nil:
		return s.useKeyring(next)
	case s.keeper != nil:
		return errKeyKind
	case next.keys == nil:
		return s.ring.UseEphemeral()
	}
	if next.config.HoldNewKey && s.ring.KeyID() == "" && len(next.keys.Keys()) > 1 {
		s.log.Warn("the first key signs at once: which one signed before this start is not known",
			"hint", "do not restart with a new first key; move it to the front while the service runs")
	}
	err := s.ring.Use(next.keys, keys.Rotation{
		PublishBefore: next.config.PublishBefore,
		HoldNew:       next.config.HoldNewKey,
		MaxTTL:        next.policy.MaxTTL(),
	})
	if err != nil {
		return fmt.Errorf("signing keys: %w", err)
	}
	return nil
}
