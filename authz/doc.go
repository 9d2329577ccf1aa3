// Package authz decides about one request: who is calling, may they, and what
// the application is told about it.
//
// It is the core of privyseal and reads like the life of a request. Start with
// [Authorizer.Authorize]; it is total: whatever happens, it returns a
// [Decision], and a Decision is a grant or a denial, never both and never
// neither. The zero Decision denies.
//
//	endpoint      is it addressed to us? answer it
//	match         the first rule that fits the request alone; none: deny
//	authenticate  that rule's authenticators in order
//	judge         deny clauses, then allow clauses
//	assert        claims from identity, rule and clock
//	sign          one key of one snapshot
//
// Everything that talks to the world is an interface of one or two methods
// declared here and implemented elsewhere: [Authenticator], [Challenger],
// [Endpoint], [Policy], [Judge], [Signer], [Headers], [Facts]. The package
// imports the standard library only: no transport, no files, no Envoy.
//
// # Invariants
//
//   - A grant carries a signed assertion, or its rule is public. Grants are
//     made in one place, [Authorizer.Authorize], and have no exported fields.
//   - Every grant sets or removes every header name that belongs to the
//     assertion, in every spelling with '-' and '_', whether the request was
//     seen to carry it or not. See [Grant].
//   - A fault (a panic, an expired context, a signer that fails) is a denial
//     with status 503. It is never an error of the transport, which Envoy may
//     be configured to let through.
//   - An [Authorizer] is immutable: it is the snapshot. One request uses one.
//
// # Trust
//
// A [Request] is what the client sent, as Envoy saw it; nothing in it is
// believed except [Facts], which Envoy and its operator made. An [Identity] is
// the word of its source and of no other source: groups, subjects and e-mail
// addresses are never compared across sources.
package authz
