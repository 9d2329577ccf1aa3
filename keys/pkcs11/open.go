//go:build pkcs11

package pkcs11

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ThalesGroup/crypto11"
	p11 "github.com/miekg/pkcs11"
)

const (
	// maxSessions holds one session for each of the signatures that package keys
	// makes at once with a key, and the one that keeps the login.
	maxSessions = 17
	sessionWait = time.Second
)

// Open logs in to a token. It is an error, and the PIN is not tried, if the token
// allows for only one more try. Mistakes in the options implement
// interface{ OptionPath() string }.
func Open(o Options) (*Module, error) { return open(o, maxSessions) }

func open(o Options, sessions int) (*Module, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := checkToken(o); err != nil {
		return nil, err
	}
	token, err := crypto11.Configure(&crypto11.Config{
		Path: o.Module, TokenLabel: o.Token, Pin: o.PIN,
		MaxSessions: sessions, PoolWaitTimeout: sessionWait,
	})
	if err != nil {
		return nil, loginError(o, err)
	}
	return &Module{token: token}, nil
}

// checkToken finds the token, and its state, before any PIN is tried.
func checkToken(o Options) error {
	if _, err := os.Stat(o.Module); err != nil {
		return &optionError{"module", fmt.Errorf("no PKCS#11 library there: %v", err)}
	}
	library := p11.New(o.Module)
	if library == nil {
		return &optionError{"module", fmt.Errorf("%s is no PKCS#11 library of this machine's architecture", o.Module)}
	}
	defer library.Destroy()
	switch err := library.Initialize(); {
	case err == nil:
		defer library.Finalize()
	case !errors.Is(err, p11.Error(p11.CKR_CRYPTOKI_ALREADY_INITIALIZED)): // else another Module is open
		return fmt.Errorf("initializing %s: %v", o.Module, returned(err))
	}
	slots, err := library.GetSlotList(true)
	if err != nil {
		return fmt.Errorf("listing the tokens of %s: %v", o.Module, returned(err))
	}
	for _, slot := range slots {
		info, err := library.GetTokenInfo(slot)
		if err != nil || info.Label != o.Token {
			continue
		}
		return checkState(o, info)
	}
	return &optionError{"token", fmt.Errorf("%s has no token %q: it has %d tokens, `pkcs11-tool --module %s --list-token-slots` shows them", o.Module, o.Token, len(slots), o.Module)}
}

// checkState spares the last try of a PIN: a service that is restarted again and
// again would use it.
func checkState(o Options, token p11.TokenInfo) error {
	switch {
	case token.MaxRwSessionCount == 1: // the login takes it; 0 is no limit
		return fmt.Errorf("token %q allows for one session, two or more are needed", o.Token)
	case token.Flags&p11.CKF_USER_PIN_LOCKED != 0:
		return fmt.Errorf("token %q is locked after too many wrong PINs: unlock it as its security officer", o.Token)
	case token.Flags&p11.CKF_USER_PIN_FINAL_TRY != 0:
		return fmt.Errorf("token %q allows for one more PIN before it locks itself, so none was tried: log in by hand with the right one (`pkcs11-tool --module %s --login --test`)", o.Token, o.Module)
	}
	return nil
}

func loginError(o Options, err error) error {
	var code p11.Error
	if errors.As(err, &code) {
		switch code {
		case p11.CKR_PIN_INCORRECT, p11.CKR_PIN_INVALID, p11.CKR_PIN_LEN_RANGE:
			return &optionError{"pin", fmt.Errorf("token %q refuses this PIN, which was tried once and will not be tried again (%v): correct it before the next start, for the token locks itself after a few", o.Token, code)}
		case p11.CKR_PIN_LOCKED, p11.CKR_PIN_EXPIRED, p11.CKR_USER_PIN_NOT_INITIALIZED:
			return fmt.Errorf("token %q lets nobody log in (%v): reset the user PIN as its security officer", o.Token, code)
		}
	}
	return fmt.Errorf("opening token %q of %s: %v", o.Token, o.Module, returned(err))
}

// returnValue is an error of a PKCS#11 function. Package keys repeats its Code.
type returnValue struct{ value p11.Error }

func (r returnValue) Error() string { return r.value.Error() }
func (r returnValue) Code() uint    { return uint(r.value) }

// returned reduces an error to the value that a PKCS#11 function returned, if it
// is one.
func returned(err error) error {
	var value p11.Error
	if errors.As(err, &value) {
		return returnValue{value}
	}
	return err
}
