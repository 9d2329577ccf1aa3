package credential

import (
	"crypto/sha256"
	"time"

	"privyseal/authz"
)

// MaxCached is how long a verified credential is believed without verifying it
// again.
const MaxCached = 5 * time.Minute

// VerifiedToken is a verified credential: whom it identifies, by which key.
type VerifiedToken struct {
	identity *authz.Identity
	keyID    string // "" for certificates
}

// verified keeps what one source verified. The key is made of the credential
// and the source's revision, so that what one source believes, no other source
// and no other configuration finds.
type verified struct {
	cache    *authz.Cache[VerifiedToken]
	revision [sha256.Size]byte
}

func (v *verified) key(credential [sha256.Size]byte) [sha256.Size]byte {
	var both [2 * sha256.Size]byte
	copy(both[:], v.revision[:])
	copy(both[sha256.Size:], credential[:])
	return sha256.Sum256(both[:])
}

func (v *verified) get(key [sha256.Size]byte, now time.Time) (VerifiedToken, bool) {
	if v.cache == nil {
		return VerifiedToken{}, false
	}
	return v.cache.Get(key, now)
}

// put keeps a credential of about size bytes in memory, never past its end.
func (v *verified) put(key [sha256.Size]byte, entry VerifiedToken, size int, now time.Time) {
	if v.cache == nil {
		return
	}
	until := now.Add(MaxCached)
	if expires := entry.identity.Expires; expires.Before(until) {
		until = expires
	}
	v.cache.Put(key, entry, size, until)
}

func (v *verified) forget(key [sha256.Size]byte) { v.cache.Delete(key) }
