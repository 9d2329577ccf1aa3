// Package pkcs11 keeps signing keys in a cryptographic module that speaks
// PKCS#11 (OASIS PKCS #11 version 2.40): a hardware security module, a smart
// card, or SoftHSM.
//
// # What to use
//
// [Open] connects to one token. The [Module] that it returns makes keys with
// [Module.Generate] and finds them again, in this process or in another replica,
// with [Module.Find]. It satisfies Module of package keys, which puts a deadline
// and a verification around everything that it signs.
//
// PKCS#11 libraries are C, so the default binary, which is static, holds none of
// this: Open then is an error. Build with
//
//	CGO_ENABLED=1 go build -tags pkcs11 ./cmd/privyseal
//
// # Keys
//
// Private keys are made inside the token, sensitive, not extractable, and good
// for signing alone. A key that says otherwise is refused. Its CKA_ID is 16
// random bytes, which are the reference by which it is found, and its CKA_LABEL
// is "privyseal" and the same in hex. Keys are never deleted: that is for the
// operator, with pkcs11-tool --delete-object.
//
// ES256, ES384, ES512, RS256 and PS256 (RSA of 2048 bits) are supported as far as
// the token does. EdDSA is not.
//
// # Trust and bounds
//
// The library runs inside this process: if it crashes, so does the process
// (p11-kit can run it in another). A call of it cannot be interrupted. At most
// 16 sessions, and one that keeps the login, are open; a call waits a second for
// one of them.
//
// A token locks itself after a few wrong PINs. The PIN is therefore tried once
// for each Open, and never if the token says that one try is left. Errors do not
// hold it, nor what the library says except return values (CKR_).
//
// All modules of a process that use the same library and token share one login:
// only the first Open proves its PIN. Calls of Open must not overlap. A token
// that was removed or restarted has forgotten the login: open it again.
package pkcs11
