package authz

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"time"
)

// Identity is who is calling, in the words of one source. It is immutable once
// made by [NewIdentity], because caches share it between requests, and it owns
// its strings.
type Identity struct {
	Source  string // the configured name of the source; the assertion's idp
	Issuer  string // who vouched: the iss of a token, the trust domain of a certificate
	Subject string // unique and stable within the source

	Session    string // the issuer's session, if it names one
	Email      string
	Name       string
	ACR        string // authentication context class, OpenID Connect Core section 2
	Thumbprint string // x5t#S256 of the client certificate (RFC 8705), if one was used

	EmailVerified bool
	GroupsUnknown bool // the source could not say all groups: whoever reads Groups denies
	GroupsAbsent  bool // the source said nothing of groups: whoever denies by Groups denies
	Groups        []string
	AMR           []string // authentication methods, RFC 8176

	AuthTime time.Time // when the person authenticated; zero if unknown
	Expires  time.Time // when the credential ends; zero if it does not

	Claims map[string]any // everything else the source said, decoded JSON with json.Number

	// Digest identifies all of the above. Two identities with equal digests are
	// the same identity.
	Digest [sha256.Size]byte
}

// NewIdentity seals an identity: it computes the digest. The caller gives up
// the maps and slices it passes.
func NewIdentity(id Identity) *Identity {
	h := sha256.New()
	for _, s := range []string{id.Source, id.Issuer, id.Subject, id.Session, id.Email, id.Name, id.ACR, id.Thumbprint} {
		hashString(h, s)
	}
	fmt.Fprint(h, id.EmailVerified, id.GroupsUnknown, id.GroupsAbsent, id.AuthTime.Unix(), id.Expires.Unix())
	hashStrings(h, id.Groups)
	hashStrings(h, id.AMR)
	hashValue(h, id.Claims)
	h.Sum(id.Digest[:0])
	return &id
}

func hashString(h hash.Hash, s string) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(s)))
	h.Write(n[:])
	h.Write([]byte(s))
}

func hashStrings(h hash.Hash, list []string) {
	hashString(h, fmt.Sprint(len(list)))
	for _, s := range list {
		hashString(h, s)
	}
}

// hashValue hashes decoded JSON; types are told apart so that "1" is not 1.
func hashValue(h hash.Hash, v any) {
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		hashString(h, fmt.Sprint("object", len(names)))
		for _, name := range names {
			hashString(h, name)
			hashValue(h, v[name])
		}
	case []any:
		hashString(h, fmt.Sprint("array", len(v)))
		for _, e := range v {
			hashValue(h, e)
		}
	default:
		hashString(h, fmt.Sprintf("%T", v))
		hashString(h, fmt.Sprint(v))
	}
}

// Authenticator finds out who is calling from one kind of credential.
type Authenticator interface {
	// Authenticate returns the caller's identity. [ErrNoCredential] means that
	// the request carries no credential for this authenticator, and the next
	// one is asked; any other error stops: a *[Denial] is the answer, anything
	// else is a fault (503). A credential that is present and wrong is never
	// "no credential".
	//
	// Effects are applied only as [Effects] says. Authenticate is called by
	// many goroutines at once.
	Authenticate(ctx context.Context, r *Request, fx *Effects) (*Identity, error)
}

// ErrNoCredential says that a request carries no credential for an
// authenticator: none at all, or one addressed to another.
var ErrNoCredential = errors.New("no credential")
