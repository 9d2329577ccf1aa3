package pkcs11

import (
	"errors"
	"fmt"
)

// Options say which token holds the keys, and how to log in. All are required.
type Options struct {
	// Path of the PKCS#11 library of the cryptographic module, such as
	// /usr/lib/softhsm/libsofthsm2.so.
	Module string `yaml:"module"`
	// Label of the token that holds the keys (of CK_TOKEN_INFO, up to 32
	// characters; `pkcs11-tool --module … --list-token-slots` shows it).
	Token string `yaml:"token"`
	// User PIN of the token. It is tried once at each start, because a token
	// locks itself after a few wrong ones.
	PIN string `yaml:"pin" secret:"true"`
}

// Validate returns what is missing. Errors implement
// interface{ OptionPath() string }.
func (o Options) Validate() error {
	var missing []error
	for _, required := range []struct{ path, value, what string }{
		{"module", o.Module, "the path of the PKCS#11 library of the cryptographic module"},
		{"token", o.Token, "the label of the token that holds the keys"},
		{"pin", o.PIN, "the user PIN of the token"},
	} {
		if required.value == "" {
			missing = append(missing, &optionError{required.path, fmt.Errorf("missing: set %s", required.what)})
		}
	}
	return errors.Join(missing...)
}

// optionError is a mistake in an option.
type optionError struct {
	path string
	err  error
}

func (e *optionError) Error() string { return e.path + ": " + e.err.Error() }

// OptionPath returns the name of the option.
func (e *optionError) OptionPath() string { return e.path }
