package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Ring signs with one key and publishes it, and those before and after it. It
// outlives every reload and is safe for concurrent use. Until keys are loaded
// it signs nothing and its key set is 503.
type Ring struct {
	options RingOptions

	current atomic.Pointer[snapshot] // nil until keys are loaded

	changing sync.Mutex // held by whoever replaces current, from reading it to storing it
}

var _ http.Handler = (*Ring)(nil)

// RingOptions are what a ring takes from the outside.
type RingOptions struct {
	Now    func() time.Time // default time.Now
	Rand   io.Reader        // for the ephemeral key; default crypto/rand.Reader
	Logger *slog.Logger     // default: discarded
}

// NewRing returns a ring without keys.
func NewRing(o RingOptions) *Ring {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Ring{options: o}
}

// Use starts the ring with configured keys, or replaces them. At the start the
// first key signs at once; later [Rotation] says when. An error, which concerns
// the rotation or the number of keys, leaves everything as it was. An error of
// an option implements interface{ OptionPath() string }.
func (r *Ring) Use(set *Set, rotation Rotation) error {
	if set == nil || len(set.keys) == 0 {
		return errors.New("no signing keys: a Set comes from Parse")
	}
	rotation, err := rotation.withDefaults()
	if err != nil {
		return err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	if old := r.current.Load(); old != nil && old.shared != nil {
		return errKind
	}
	return r.change(set.keys, rotation)
}

// errKind keeps verifiers from losing the keys of the one when the other is
// configured.
var errKind = errors.New("a ring cannot change between configured and shared keys while it signs: restart the service (`privyseal keys import` takes configured keys into a shared ring first)")

// share gives the ring the keys of a document, as its [Keeper] read it.
func (r *Ring) share(sh shared) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	if old := r.current.Load(); old != nil && old.shared == nil {
		return errKind
	}
	return r.changeShared(sh)
}

// UseEphemeral starts the ring without configured keys. It makes an ES256 key
// once, which signs for the life of the process and is not published; its
// public key is logged. Further calls change nothing. After Use it is an error,
// so that configured keys never become an ephemeral one.
func (r *Ring) UseEphemeral() error {
	r.changing.Lock()
	defer r.changing.Unlock()
	if old := r.current.Load(); old != nil {
		if old.ephemeral() {
			return nil
		}
		return errors.New("the signing keys are no longer configured: the last ones stay in force; configure them again, or restart to sign with an ephemeral key")
	}
	key, err := Generate("ES256", r.options.Rand)
	if err != nil {
		return fmt.Errorf("making an ephemeral key: %v", err)
	}
	public, err := key.MarshalPublicPEM()
	if err != nil {
		return err
	}
	next, err := ephemeralSnapshot(key, r.options.Now())
	if err != nil {
		return err
	}
	r.current.Store(next)
	logEphemeral(r.options.Logger, key, public)
	return nil
}

// Advance makes the changes that time alone brings: a held key that is due
// signs, a retired key that nobody needs leaves. It costs little when nothing
// is due.
func (r *Ring) Advance() {
	r.changing.Lock()
	defer r.changing.Unlock()
	s := r.current.Load()
	if s == nil {
		return
	}
	if at := s.nextChange(); at.IsZero() || r.options.Now().Before(at) {
		return
	}
	var err error
	if s.shared != nil {
		err = r.changeShared(*s.shared)
	} else {
		err = r.change(s.configured, s.rotation)
	}
	if err != nil {
		r.options.Logger.Error("the signing keys stay as they are", "error", err)
	}
}

// NextChange returns when Advance next has something to do, or the zero time if
// it has nothing.
func (r *Ring) NextChange() time.Time {
	if s := r.current.Load(); s != nil {
		return s.nextChange()
	}
	return time.Time{}
}

func (r *Ring) change(configured []*Key, rotation Rotation) error {
	old := r.current.Load()
	next, err := old.after(configured, rotation, r.options.Now())
	if err != nil {
		return err
	}
	r.current.Store(next)
	logChange(r.options.Logger, old, next)
	return nil
}

func (r *Ring) changeShared(sh shared) error {
	old := r.current.Load()
	next, err := sharedSnapshot(old, sh, r.options.Now())
	if err != nil {
		return err
	}
	r.current.Store(next)
	logShared(r.options.Logger, old, next)
	return nil
}

// KeyID returns the kid of the key that signs; "" until keys are loaded.
func (r *Ring) KeyID() string {
	if s := r.current.Load(); s != nil {
		return s.signer.key.id
	}
	return ""
}

// Check returns why the ring should not be asked, or nil if it signs and
// publishes: no keys are loaded, or a shared ring has been without news for too
// long. It is what health checks go by, and says so a minute before the key set
// is 503, for load balancers to learn of it.
func (r *Ring) Check() error { return r.current.Load().serves(r.options.Now) }

// Has reports whether a kid is one of ours: published, or ephemeral.
func (r *Ring) Has(kid string) bool {
	s := r.current.Load()
	return s != nil && s.find(kid) != nil
}

// Sign returns the compact JWS (RFC 7515 section 7.1) of a payload and the kid
// of the key that signed, which is in the key set served at that moment. The
// protected header is {"alg":…,"kid":…,"typ":"JWT"}. A context that has ended
// is an error. A signature once begun is finished, except by a cryptographic
// module that has not answered when the context ends, or within a second.
func (r *Ring) Sign(ctx context.Context, payload []byte) (jws, kid string, err error) {
	if err := ctx.Err(); err != nil {
		return "", "", fmt.Errorf("signing: %w", err)
	}
	s := r.current.Load()
	if err := s.signs(r.options.Now); err != nil {
		return "", "", fmt.Errorf("signing: %v", err)
	}
	if jws, err = s.signer.sign(ctx, payload); err != nil {
		return "", "", err
	}
	return jws, s.signer.key.id, nil
}
