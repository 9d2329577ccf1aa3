package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"privyseal/keys"
)

const maxDocument = keys.MaxDocument

// requestTimeout bounds one request to a server, whatever the context allows.
const requestTimeout = 15 * time.Second

// Options are what a store takes from outside. The zero value is what a service
// wants.
type Options struct {
	// Now is the local clock: it says when the token of a service account is to
	// be read again, never what time a [keys.Version] has. Default: time.Now.
	Now func() time.Time
	// Getenv looks up KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
	// Default: os.Getenv.
	Getenv func(name string) string
}

// Open returns the store at an address, as the package comment describes them.
// It reads the address alone: a store that cannot be reached, or that refuses
// us, says so when it is used. The store is a [keys.Watcher] too, and has a
// String method that returns the address without its password.
func Open(address string, o Options) (keys.Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	scheme, _, _ := strings.Cut(address, ":")
	switch scheme {
	case "dir":
		return openDirectory(address)
	case "redis", "rediss":
		return openRedis(address)
	case "kubernetes":
		return openKubernetes(address, o)
	}
	return nil, fmt.Errorf("%q is no address of a keyring: expected dir:PATH, redis://HOST:PORT/0?key=NAME, rediss://... or kubernetes://NAMESPACE/SECRET", redact(address))
}

// checkDocument keeps out what no store could give back.
func checkDocument(document []byte) error {
	switch {
	case len(document) == 0:
		return errors.New("an empty document is no keyring: nothing was written")
	case len(document) > maxDocument:
		return fmt.Errorf("the document has %d bytes, %d are allowed: nothing was written; remove keys that are no longer published", len(document), maxDocument)
	}
	return nil
}

// absent is the error of a store that is there and empty.
func absent() error {
	return fmt.Errorf("%w: no keyring has been written yet", fs.ErrNotExist)
}

// conflict is the error of a Swap that came too late.
func conflict() error {
	return fmt.Errorf("%w: load it and decide again", keys.ErrConflict)
}
