// Package login lets a person with a browser log in at an OpenID Connect
// provider (authorization code with PKCE) and keeps the session that follows,
// all within the checks that Envoy makes: the application has no part in it.
//
// Start with [Source], one provider of the configuration, and [New], which
// checks all of them at once. [Logins.For] gives a rule its authenticator: the
// session authenticates, and a request without one is challenged.
// [Logins.Endpoints] are the paths under /.privyseal/ that any protected host
// answers, and [Logins.BackChannel] is the one handler that needs a request's
// body and is therefore served over HTTP. A [Memory] holds what outlives a
// configuration.
//
//	/.privyseal/login     starts a login; ?source=NAME chooses the provider, ?return=/path where to go then
//	/.privyseal/callback  where the provider sends the browser back
//	/.privyseal/logout    ends the session, here and at the provider
//	/.privyseal/me        tells scripts who is logged in
//
// # Invariants
//
//   - A login begins only where a person opens a page ([authz.IsNavigation]).
//     Scripts, images and sockets get a 401 with login_url: parallel requests
//     of one page never begin logins of their own.
//   - Each attempt has a cookie of its own, so tabs do not disturb one another.
//     There are at most four; the oldest goes.
//   - A browser is never sent round in circles: what cannot work ends on a page
//     that names the reason, and so does the fourth login within a minute that
//     did not help.
//   - After a login the browser goes to a path of the host it came from, and
//     nowhere else.
//   - An attempt is used once. Each login has a new session id, and the session
//     before it ends.
//   - A session belongs to one source and one host. It ends when it was idle
//     for too long, when it is too old, when the provider refuses to renew it
//     (invalid_grant), and on logout.
//
// # Cookies
//
// Every cookie is named __Host-privyseal-…, is Secure, HttpOnly, SameSite=Lax
// and for Path=/, is encrypted and authenticated with AES-256-GCM under a key
// derived (HKDF-SHA256, RFC 5869) from a cookie secret for one purpose of one
// source, and is bound to the host. None reaches the application. A browser
// keeps about 4 KiB in a cookie; a session that needs more is refused, with a
// page that says so, and never split or cut.
//
// # Where sessions are
//
// Without a store the session itself is in its cookie, with the chosen claims
// and the refresh token, and no server keeps anything. What that costs: a copy
// of the cookie stays good after a logout that this replica did not see
// (logouts are remembered in memory, for each replica alone), and where the
// provider rotates refresh tokens, two replicas that renew one session at once
// lose it. With a store (Redis or Valkey) the cookie holds a random id of 256
// bits, logouts hold everywhere, renewals are serialised by a lock, and the ID
// token is kept as a hint for logging out.
//
// # Trust
//
// Of the browser nothing is believed but what was sealed here. The provider is
// believed about its own users: its ID token is verified (issuer, audience,
// azp, nonce, times, signature, at_hash), and what it answers is bounded to 64
// KiB and 10 seconds. Whoever writes the store can end sessions and bring old
// ones back, but cannot read or make one: values are sealed like cookies, and
// ids are stored as SHA-256. Whoever has a cookie secret can make any session
// of its source.
//
// # Bounds
//
// What must not end with the request that caused it (discovery, the exchange of
// a code, a renewal) goes on by itself, at most 4096 at a time; a request waits
// for it as long as Envoy waits. A browser whose login takes longer is told to
// ask again, and finds the result.
package login
