// Package privyseal is an external-authorization service for Envoy. Envoy asks
// it about each request; it finds out who is calling, decides whether they may,
// and adds to every allowed request a short-lived signed assertion of the
// caller's identity. It publishes the public keys, so that the application
// behind Envoy verifies who is calling, whatever network the request came
// through.
//
// The package joins the parts; nothing else does:
//
//	[Config]   what the operator says; its field comments are the manual
//	[Load]     reads it, and reports every mistake at once with line and caret
//	[Service]  three listeners around one snapshot
//
// A snapshot is everything a decision depends on: rules, identity sources, the
// assertion's settings. Each request uses one snapshot from start to end. A
// reload builds a new one in full before a pointer is swapped, so a bad reload
// changes nothing; what is expensive to regain (keys of issuers, verified
// tokens, the signing ring) carries over while its own settings are unchanged,
// so a good reload loses nothing.
package privyseal
