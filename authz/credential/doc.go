// Package credential finds out who is calling from what a request carries: a
// JWT in a header or cookie, the client certificate of the connection, or the
// claims that another Envoy filter verified.
//
// Start with [Source], one entry of the configuration's identity list, and
// [New], which checks all entries at once. [Credentials.For] then gives each
// rule the authenticators of the sources that it admits.
//
// # Invariants
//
//   - An identity is the word of one source. A token is verified with the keys,
//     audiences and claim paths of the one source that owns its issuer at the
//     place it was read from, and of no other; a rule that does not admit that
//     source sees an unknown issuer.
//   - A credential that is present and wrong ends the request. It is never
//     treated as absent, so no later source can be reached by adding a bad
//     credential, and a bad one is never passed over for a good one.
//   - A place that holds two credentials, or one that two programs may read
//     differently, is a malformed request.
//   - Only what was verified is cached, under a key that includes the source's
//     options, for at most [MaxCached] and never past the credential's end. A
//     flood of bad tokens therefore evicts nothing. A token is forgotten when
//     its key leaves the issuer's set.
//
// # Trust
//
// Nothing in a token is believed before its signature, except iss, which
// chooses among configured sources and never names an address to fetch from.
// Client certificates are believed on the word of a CA file, or on Envoy's word
// if the operator says that Envoy verifies them: Envoy reports a principal for
// certificates that it was told to accept unverified. Dynamic metadata is
// believed because its filter is the operator's.
//
// # Bounds
//
// A token is at most [MaxTokenBytes] long; the claims of any source have at
// most that many bytes of text, are nested 16 deep at most and have at most
// 8192 elements; a subject has at most 255 bytes, a list of groups at most 5000
// elements of 256 bytes. Groups beyond that are unknown, not cut off.
package credential
