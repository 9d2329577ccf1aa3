package verify

import "errors"

// The reasons why a token is not accepted, to be tested with errors.Is. Errors
// never hold the token.
var (
	// ErrUnavailable: no usable key set is at hand, so nothing can be said
	// about the token. Answer 503.
	ErrUnavailable = errors.New("no usable key set")
	// ErrMalformed: not a JWS in compact serialization as we accept it, or one
	// that asks for an algorithm or an extension we do not accept.
	ErrMalformed = errors.New("malformed token")
	// ErrUnknownKey: no key of the set has the token's kid.
	ErrUnknownKey = errors.New("unknown key")
	// ErrSignature: the key did not make this signature.
	ErrSignature = errors.New("bad signature")
	// ErrClaims: signed, but not for us, not now, or not as an assertion is.
	ErrClaims = errors.New("claims not accepted")
	// ErrBinding: an assertion for us, but for another request or the holder of
	// another certificate: somebody uses one that leaked, or a proxy on the way
	// changes what the assertion is bound to.
	ErrBinding = errors.New("not for this request")
)

// optionError is a mistake in an option struct.
type optionError struct {
	path string
	err  error
}

func (e *optionError) Error() string { return e.path + ": " + e.err.Error() }
func (e *optionError) Unwrap() error { return e.err }

// OptionPath says which option, in the words of a configuration file.
func (e *optionError) OptionPath() string { return e.path }
