// Package keys holds the keys that sign assertions, from "next" to "signing" to
// "retired", and publishes their public half as a JWK Set (RFC 7517).
//
// # What to use
//
// A [Ring] signs with one key and serves all of them. It lives as long as the
// process. Its keys come from one of two places.
//
// Configured keys: [Parse] reads them, PEM or base64 of PEM, into a [Set].
// [Ring.Use] starts the ring with it and replaces its keys on every reload.
//
//	set, err := keys.Parse(text, keys.ParseOptions{})
//	...
//	ring := keys.NewRing(keys.RingOptions{Logger: log})
//	err = ring.Use(set, keys.Rotation{})
//	...
//	http.Handle("/.well-known/jwks.json", ring)
//	jws, kid, err := ring.Sign(ctx, payload)
//
// Some changes come with time alone: a held key becomes due, a retired key
// leaves. The ring has no goroutine of its own; call [Ring.Advance] every few
// seconds, or when [Ring.NextChange] comes. A late call is safe: it only leaves
// a key published, or signing, for longer.
//
// Keys that rotate themselves: a [Keeper] keeps a [Document] in a [Store] that
// all replicas share, by a [Schedule], and gives the ring what it says.
//
//	keeper, err := keys.NewKeeper(keys.KeeperOptions{Ring: ring, Store: store, Wrapper: kek})
//	...
//	go keeper.Run(ctx)
//	...
//	err := ring.Check() // whether this replica should be asked
//
// # Life of a key
//
//	next       published, has not signed yet
//	signing    published, signs; exactly one key at a time
//	retired    published, has signed, signs no longer
//
// Configured keys are rotated in three edits: add the new key at the end, move it to the
// front once every verifier has fetched it ([Rotation].PublishBefore), remove
// the old one. A key that has signed and is removed loses its private half at
// once and stays published until the last assertion it can have signed has
// expired, and 6 minutes more for verifiers whose clocks are late.
//
// In a shared ring a next key is made when the one before it begins to sign. The
// document says when it will sign, and every replica switches at that time by
// its own clock. It also says until when no key signs that is not in it
// (CompleteUntil): that is how a replica without its store knows for how long it
// may go on. plan makes one document from another, and is all there is to it.
//
// # Invariants
//
// One immutable snapshot holds the signing key and the rendered key set. Sign,
// KeyID and ServeHTTP load it once, so the key that signs is in the key set
// that is served at that moment; the ephemeral key, which is never published,
// is the one exception. A snapshot is a function of the one before it, the
// configured keys or the document, and the time. An error leaves the snapshot as
// it was.
//
// A private key leaves this package through [Key.MarshalPEM] and, sealed unless
// the operator says otherwise, in a document for the [Store] alone. It is kept
// inside a closure, so that nothing which prints by reflection reaches it, and
// errors are written here rather than taken from parsers.
//
// # Trust and bounds
//
// A store is trusted with nothing if a [Wrapper] encrypts: documents are
// authenticated, their generations only rise, and what cannot be believed changes
// nothing. A [Module] is not trusted to sign well: what it signs is verified.
//
// Whoever can write the key text can mint every identity. The text is still
// checked: kinds and sizes of keys, that public and private half belong
// together, that each key signs and that its published form verifies what it
// signed. It has at most 64 KiB; a key set has at most 100 keys, as many as
// common verifiers accept.
//
// JOSE signatures are made by github.com/lestrrat-go/jwx/v2/jws, which is given
// nothing but our own header, payload and keys. Headers and key sets are
// written here, member by member, from public keys.
package keys
