// Package envoy speaks ext_authz: it turns Envoy's CheckRequest into an
// [authz.Request] and the [authz.Decision] about it into a CheckResponse. It is
// the only package that knows Envoy's messages.
//
// Start with [NewServer] and register it on a gRPC server that was made with
// [GRPCOptions]. [Client] asks a running service, as Envoy would.
//
// # What Envoy makes of an answer
//
// These facts of Envoy 1.40 shape the package; tests against the real binary
// hold them.
//
//   - status.code alone decides. A zero code lets the request through whatever
//     else the message says, an empty message too. So the code and the body are
//     written by the same function, for a grant in one place and for a reply in
//     one place.
//   - A gRPC error is not a denial: with failure_mode_allow it lets the request
//     through. So a Check never returns one; even a message that cannot be
//     decoded is answered with a denial. What gRPC refuses before us (a message
//     above [MaxRequestBytes], a broken stream) we cannot deny, and
//     failure_mode_allow is not supported.
//   - In request headers to set, Envoy ignores append_action and obeys append;
//     1.37.0 did the reverse. So both say overwrite.
//   - Removals are applied after additions, raw_value is ignored, and text must
//     be UTF-8, or the answer becomes a gRPC error.
//
// # Messages are read where they lie
//
// A CheckRequest is walked once, checked, and never made into maps: an
// [authz.Request] and its headers point into the message, whose memory is used
// again when the answer is made. Whoever keeps a part of a request clones it;
// [authz.Record] does. Dynamic metadata and client certificates are decoded when
// an authenticator asks. Answers are appended to memory that is used again when
// gRPC has sent them. Messages that the walk does not find plain are left to the
// generated types, which are the reference for both directions under test.
package envoy
