// Package verify lets an application check who is calling: it verifies the
// signed identity assertion that privyseal adds to every request it allows.
//
// # For applications
//
// Make one [KeySet] for the URL where the keys are published, one [Verifier]
// for the issuer and the audience this application answers to, and wrap the
// handlers:
//
//	keys := verify.Remote("https://auth.example.com/.well-known/pomerium/jwks.json", verify.Options{})
//	defer keys.Close()
//	verifier, err := verify.New(verify.Config{Issuer: "orders.example.com", Audience: "orders", Keys: keys})
//	...
//	http.ListenAndServe(addr, verifier.Middleware(handler))
//
// Inside the handler, [FromContext] returns the [Assertion]. Handlers read
// nothing else about the caller: other headers are whatever the client or a
// proxy wrote. Package verifytest is an issuer for tests.
//
// # Binding
//
// A rule may bind its assertions to the request that they are made for, so that
// one that leaks is good for that request alone. [Verifier.Middleware] checks it;
// [Config.Bind] demands it. Wrap the handlers outermost: what is compared is what
// arrived, not what middleware made of it.
//
// # What is trusted
//
// The configured URL and nothing in a token: no header member of a token makes
// this package fetch, choose an algorithm outside its list, or use a key that
// the URL did not publish. Keys come over https, or over http from the same
// host. Every algorithm is bound to one kind of key; symmetric algorithms and
// "none" do not exist here.
//
// An assertion that cannot be verified is refused. If it is refused because no
// keys could be had, the error is [ErrUnavailable] and the answer 503;
// everything else is 401.
//
// # Bounds
//
// A token has at most 64 KiB, an assertion 16 KiB unless configured. A key set
// has at most 1 MiB and 100 keys and is fetched within 5 seconds, in the
// background: no request's deadline cancels a fetch, and no request waits
// longer than its own deadline. Keys are fetched again after 60 seconds to one
// hour, as the issuer's Cache-Control says; at once, but at most every 30
// seconds, for a key that is not known; and after 1 to 60 seconds while the
// issuer fails. Keys stay in use for 24 hours after the last good answer.
//
// The package needs the standard library alone. All of it is safe for
// concurrent use.
package verify
