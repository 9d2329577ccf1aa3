// Package idp is an OpenID Connect provider for the demo and for tests: it
// vouches for a few invented people without asking for a password. Whoever
// reaches it can be anybody, so it belongs on loopback.
//
// Discovery, keys, codes and tokens are those of github.com/zitadel/oidc; the
// login page at /login lists the people to be; POST /token?user=alice
// answers with an access token as plain text, for curl. Its signing key lives as
// long as the process.
package idp
