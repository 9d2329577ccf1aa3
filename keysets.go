package privyseal

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"privyseal/authz/credential"
	"privyseal/authz/verify"
)

// keySets are the key sets of token issuers. They are shared by successive
// snapshots, so that a reload during an issuer's outage loses no key, and closed
// when the last snapshot that uses them is done.
type keySets struct {
	log     *slog.Logger
	now     func() time.Time
	offline bool // nothing is fetched, and nothing can be verified

	mu     sync.Mutex // guards byWhat and every users count
	byWhat map[string]*sharedKeySet
}

type sharedKeySet struct {
	*verify.KeySet
	what  string // everything its content depends on
	users int
}

// issuerKeys are the keys of one source of a snapshot.
type issuerKeys struct {
	source string
	*sharedKeySet
}

// get returns the key set for a source and counts one user.
func (k *keySets) get(source credential.JWT, content []byte) (*sharedKeySet, error) {
	identity, err := json.Marshal([]any{source.Issuer, source.JWKSURL, source.JWKSFile, source.Algorithms, content})
	if err != nil {
		return nil, fmt.Errorf("describing a key set: %v", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	shared, ok := k.byWhat[string(identity)]
	if !ok {
		set, err := k.open(source, content)
		if err != nil {
			return nil, err
		}
		shared = &sharedKeySet{KeySet: set, what: string(identity)}
		if k.byWhat == nil {
			k.byWhat = map[string]*sharedKeySet{}
		}
		k.byWhat[shared.what] = shared
	}
	shared.users++
	return shared, nil
}

func (k *keySets) open(source credential.JWT, content []byte) (*verify.KeySet, error) {
	options := verify.Options{Now: k.now, Logger: k.log, Algorithms: source.Algorithms}
	switch {
	case source.JWKSFile != "":
		return verify.Static(content, source.Algorithms...)
	case k.offline:
		return nil, nil
	case source.JWKSURL != "":
		return verify.Remote(source.JWKSURL, options), nil
	}
	return verify.Discover(source.Issuer, options), nil
}

func (k *keySets) release(list []issuerKeys) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, keys := range list {
		shared := keys.sharedKeySet
		if shared.users--; shared.users == 0 {
			delete(k.byWhat, shared.what)
			if shared.KeySet != nil {
				go shared.Close() // waits for a fetch in flight
			}
		}
	}
}
