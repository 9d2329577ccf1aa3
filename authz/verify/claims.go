package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Assertion is who is calling, as privyseal vouches for it to one application
// for a few minutes. It is verified and must not be changed.
type Assertion struct {
	Issuer           string
	Audience         string
	Subject          string // stable and unique at this issuer; never empty
	User             string // equals Subject
	Email            string
	Name             string
	Session          string // the identity provider's session; claim sid
	IdentityProvider string // the configured name of the source that authenticated the caller; claim idp
	ID               string // unique to the assertion; claim jti

	// Groups of the caller. If GroupsOverage is set the groups were left out
	// because they were too many: Groups says nothing then.
	Groups        []string
	GroupsOverage bool

	IssuedAt, Expires time.Time

	KeyID  string         // the key that signed
	Claims map[string]any // all claims; numbers are json.Number
}

// expected is what an assertion must say.
type expected struct {
	issuer, audience string
	now              time.Time
	leeway           time.Duration
	maxLifetime      time.Duration
}

func parseAssertion(payload []byte, want expected) (*Assertion, error) {
	claims, err := decodeObject(payload)
	if err != nil {
		return nil, err
	}
	a := &Assertion{Claims: claims}
	if err := a.readTexts(); err != nil {
		return nil, err
	}
	if err := a.readGroups(); err != nil {
		return nil, err
	}
	if a.Issuer == "" || a.Issuer != want.issuer {
		return nil, fmt.Errorf("iss is not %s", want.issuer)
	}
	if a.Audience == "" || a.Audience != want.audience {
		return nil, fmt.Errorf("aud is not %s", want.audience)
	}
	if a.Subject == "" {
		return nil, errors.New("sub is missing or empty")
	}
	if err := a.readTimes(want); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Assertion) readTexts() error {
	for name, target := range map[string]*string{
		"iss": &a.Issuer, "aud": &a.Audience, "sub": &a.Subject, "user": &a.User, "email": &a.Email,
		"name": &a.Name, "sid": &a.Session, "idp": &a.IdentityProvider, "jti": &a.ID,
	} {
		v, ok := a.Claims[name]
		if !ok {
			continue
		}
		if *target, ok = v.(string); !ok {
			return fmt.Errorf("%s is not a single text", name)
		}
	}
	return nil
}

func (a *Assertion) readGroups() error {
	if v, ok := a.Claims["groups_overage"]; ok {
		if a.GroupsOverage, ok = v.(bool); !ok {
			return errors.New("groups_overage is neither true nor false")
		}
	}
	v, ok := a.Claims["groups"]
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return errors.New("groups is not a list")
	}
	a.Groups = make([]string, len(list))
	for i, e := range list {
		if a.Groups[i], ok = e.(string); !ok {
			return errors.New("groups is not a list of texts")
		}
	}
	return nil
}

func (a *Assertion) readTimes(want expected) (err error) {
	if a.IssuedAt, err = a.time("iat"); err != nil {
		return err
	}
	if a.Expires, err = a.time("exp"); err != nil {
		return err
	}
	latest := want.now.Add(want.leeway)
	if a.IssuedAt.After(latest) {
		return errors.New("iat is in the future: compare the clocks")
	}
	if _, ok := a.Claims["nbf"]; ok {
		notBefore, err := a.time("nbf")
		if err != nil {
			return err
		}
		if notBefore.After(latest) {
			return errors.New("nbf is in the future: compare the clocks")
		}
	}
	if !want.now.Before(a.Expires.Add(want.leeway)) {
		return errors.New("has expired")
	}
	if life := a.Expires.Sub(a.IssuedAt); life <= 0 || life > want.maxLifetime {
		return fmt.Errorf("is not valid for at most %v from iat to exp", want.maxLifetime)
	}
	return nil
}

// time reads a required NumericDate (RFC 7519 section 2): an integer.
func (a *Assertion) time(name string) (time.Time, error) {
	number, _ := a.Claims[name].(json.Number)
	seconds, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, fmt.Errorf("%s is missing or not a whole number of seconds", name)
	}
	return time.Unix(seconds, 0), nil
}

func isJWT(typ string) bool { return strings.EqualFold(typ, "JWT") }
