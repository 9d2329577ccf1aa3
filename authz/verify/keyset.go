package verify

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a key set that is fetched. The zero value is usable and strict.
type Options struct {
	// Client sends the requests; its redirect policy and cookie jar are
	// replaced. Set it for a private certificate authority. Default: a client
	// with the system's authorities and the proxy of the environment.
	Client *http.Client
	// Now tells the time. Default time.Now.
	Now func() time.Time
	// Logger is told about failures and about keys that come and go. Default:
	// silence; Status says the same.
	Logger *slog.Logger
	// Algorithms are the values of alg that are accepted. Default ES256, ES384,
	// ES512, EdDSA, RS256 and PS256; RS384, RS512, PS384 and PS512 when asked.
	Algorithms []string
	// InsecureHTTP allows http for hosts that are not loopback: whoever can
	// change packets on the way can then make any token.
	InsecureHTTP bool
}

// KeySet verifies signatures with the public keys of one issuer. It has the
// method that go-oidc asks of a key set. All methods may be called at any time
// from any goroutine.
type KeySet struct {
	algorithms []string
	now        func() time.Time
	log        *slog.Logger
	source     *source // nil: never fetched

	current atomic.Pointer[current] // nil until the first good answer

	mu     sync.Mutex           // guards the following
	round  chan struct{}        // open while a fetch is due or under way; nil otherwise
	asked  time.Time            // the last fetch for an unknown kid
	absent map[string]time.Time // kids that were not in the set, and when
	status Status

	wanted chan struct{} // capacity 1: fetch now
	cancel context.CancelFunc
	done   chan struct{} // closed when no fetch will happen any more
}

// current is the set in use and the last time the issuer confirmed it.
type current struct {
	*set
	confirmed time.Time
}

// Remote returns the key set published at a URL. It starts fetching at once, in
// the background, and goes on until Close. If the URL or an algorithm is not
// acceptable ([ValidURL], [ValidAlgorithm]) nothing is fetched, and the mistake
// is the error of every call and of [KeySet.Status].
func Remote(jwksURL string, o Options) *KeySet {
	return start(jwksURL, &source{url: jwksURL}, o)
}

// Discover returns the key set of an OpenID Connect issuer: the one that the
// issuer's discovery document names. The document must name exactly this
// issuer; it is read again before each fetch of the keys. Otherwise as
// [Remote].
func Discover(issuer string, o Options) *KeySet {
	return start(issuer, &source{issuer: issuer}, o)
}

// Static returns a key set from the text of a JWK Set, such as a file holds. It
// is never fetched; Close need not be called. Without algorithms the default of
// [Options.Algorithms] holds.
func Static(jwks []byte, algorithms ...string) (*KeySet, error) {
	if len(jwks) > maxBodyBytes {
		return nil, fmt.Errorf("key set: longer than %d bytes", maxBodyBytes)
	}
	k := newKeySet(Options{Algorithms: algorithms})
	if err := validAlgorithms(k.algorithms); err != nil {
		return nil, err
	}
	s, err := parseSet(jwks, k.algorithms)
	if err != nil {
		return nil, err
	}
	now := k.now()
	k.current.Store(&current{s, now})
	k.status.LastSuccess = now
	close(k.done)
	return k, nil
}

func newKeySet(o Options) *KeySet {
	k := &KeySet{
		algorithms: slices.Clone(o.Algorithms),
		now:        o.Now,
		log:        o.Logger,
		absent:     map[string]time.Time{},
		wanted:     make(chan struct{}, 1),
		cancel:     func() {},
		done:       make(chan struct{}),
	}
	if len(k.algorithms) == 0 {
		k.algorithms = defaultAlgorithms()
	}
	if k.now == nil {
		k.now = time.Now
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	return k
}

func validAlgorithms(names []string) error {
	for _, name := range names {
		if err := ValidAlgorithm(name); err != nil {
			return fmt.Errorf("algorithm %q %v", name, err)
		}
	}
	return nil
}

func start(configured string, s *source, o Options) *KeySet {
	k := newKeySet(o)
	k.status.URL = place(configured)
	err := validAlgorithms(k.algorithms)
	if invalid := ValidURL(configured, o.InsecureHTTP); invalid != nil {
		err = fmt.Errorf("key set URL %s %v", k.status.URL, invalid)
	}
	if s.issuer != "" && strings.Contains(s.issuer, "?") {
		err = fmt.Errorf("issuer %s has a query", k.status.URL)
	}
	if err != nil {
		k.algorithms = defaultAlgorithms() // tokens get as far as being told about err
		k.status.LastError = err.Error()
		close(k.done)
		return k
	}
	s.insecure, s.client = o.InsecureHTTP, newClient(o.Client)
	k.source = s
	k.round = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel = cancel
	go k.refresh(ctx)
	return k
}

// Signed is the content of a token whose signature is good. What the content
// says is not verified, nor is Type: the caller decides which types it takes,
// or one kind of token passes for another (RFC 8725 section 3.11).
type Signed struct {
	Payload   []byte
	KeyID     string // "" if the token names no key, which it may when the set has just one
	Algorithm string
	Type      string // the header's typ, as it is spelled; "" if absent
}

// Verify checks the form and the signature of a token. It waits, within ctx, for
// the first key set and for a set with a key that is not known yet.
func (k *KeySet) Verify(ctx context.Context, jws string) (Signed, error) {
	t, err := parseCompact(jws, k.algorithms)
	if err != nil {
		return Signed{}, err
	}
	found, err := k.find(ctx, t.kid)
	if err != nil {
		return Signed{}, err
	}
	if !found.fits(t.alg) {
		return Signed{}, fmt.Errorf("%w: the key is not for algorithm %s", ErrSignature, t.alg)
	}
	if a, _ := algorithmNamed(t.alg); !a.verify(found.public, t.signed, t.signature) {
		return Signed{}, ErrSignature
	}
	return Signed{Payload: t.payload, KeyID: t.kid, Algorithm: t.alg, Type: t.typ}, nil
}

// VerifySignature is [KeySet.Verify] for tokens of type JWT or without a type,
// such as ID tokens. It makes KeySet a key set for go-oidc.
func (k *KeySet) VerifySignature(ctx context.Context, jws string) (payload []byte, err error) {
	signed, err := k.Verify(ctx, jws)
	if err != nil {
		return nil, err
	}
	if signed.Type != "" && !isJWT(signed.Type) {
		return nil, fmt.Errorf("%w: typ is not JWT", ErrMalformed)
	}
	return signed.Payload, nil
}

// Contains reports whether the set in use has a key with this kid. A verdict
// that was cached about a token holds only while the token's kid is in the set.
// It is false for "": do not cache verdicts about tokens that name no key.
func (k *KeySet) Contains(kid string) bool {
	s := k.usable()
	return s != nil && kid != "" && s.find(kid) != nil
}

// Status tells how a key set is doing, for readiness and metrics.
type Status struct {
	URL         string    // as configured, without user and query; "" for a static set
	Keys        int       // usable keys now; 0 means that nothing can be verified
	LastSuccess time.Time // the issuer's last good answer; zero if there was none
	LastError   string    // why the most recent fetch failed; "" if it did not
	NextFetch   time.Time // zero while one is under way, after Close and for a static set
}

// Status returns the present state.
func (k *KeySet) Status() Status {
	s := k.usable()
	k.mu.Lock()
	defer k.mu.Unlock()
	status := k.status
	status.Keys = 0
	if s != nil {
		status.Keys = len(s.keys)
	}
	return status
}

// Close ends the fetching and waits for a fetch under way, which it cancels.
// The keys at hand still verify, until they are 24 hours old. Closing twice is
// fine.
func (k *KeySet) Close() {
	k.cancel()
	<-k.done
}

// unavailable is the error when there are no keys.
func (k *KeySet) unavailable() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.status.LastError == "" {
		return fmt.Errorf("%w: none at hand", ErrUnavailable)
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, k.status.LastError)
}
