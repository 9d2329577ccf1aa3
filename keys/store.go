package keys

import (
	"context"
	"errors"
	"time"
)

// Store keeps one document, of at most [MaxDocument] bytes, that all replicas of
// a service share. Implementations are in package privyseal/keys/store. They are
// safe for concurrent use by any number of processes, and honour their contexts.
type Store interface {
	// Load returns the document. If there is none the error wraps
	// [io/fs.ErrNotExist], which says for certain that the store is there and
	// empty; the Version then holds the time alone. Every other error says that
	// nothing is known.
	Load(ctx context.Context) (Version, error)
	// Swap replaces the document if its revision still is rev, and returns the
	// new revision. An empty rev creates the document, if there is none. If
	// somebody was faster the error wraps [ErrConflict] and nothing is written.
	// After any other error the document may have been written or not.
	Swap(ctx context.Context, document []byte, rev string) (newRev string, err error)
}

// Version is a document as a store holds it.
type Version struct {
	Document []byte
	// Revision changes with the document and is never empty. It means nothing
	// outside the store.
	Revision string
	// Time is the store's own clock at the time of the answer, zero if it has
	// none. Replicas whose clock is far from it change nothing.
	Time time.Time
}

// ErrConflict is what [Store].Swap returns if the document is not, or no longer,
// of the expected revision.
var ErrConflict = errors.New("somebody else changed the document")

// Watcher is what a [Store] is that can tell of a change sooner than the next
// reading would.
type Watcher interface {
	// Watch returns nil as soon as the revision of the document may be another
	// than rev, which is empty for no document, and an error if it cannot tell,
	// or when ctx ends.
	Watch(ctx context.Context, rev string) error
}
