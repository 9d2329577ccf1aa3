package credential

import (
	"strings"

	"privyseal/authz"
)

// place is where tokens are read: a header, a cookie, or both. At most one of
// them may hold a token in one request.
type place struct{ header, cookie string }

// found is a token and where it was.
type found struct {
	token          string
	header, cookie string // one of them is set
}

// find returns the request's token, or [authz.ErrNoCredential].
func (p place) find(h authz.Headers) (found, error) {
	inHeader, err := p.fromHeader(h)
	if err != nil {
		return found{}, err
	}
	inCookie := ""
	if p.cookie != "" {
		if inCookie, _, err = authz.Cookie(h, p.cookie); err != nil {
			return found{}, err
		}
	}
	switch {
	case inHeader != "" && inCookie != "":
		return found{}, malformed("header " + p.header + " and cookie " + p.cookie + " both hold a token")
	case inHeader != "":
		return found{token: inHeader, header: p.header}, nil
	case inCookie != "":
		return found{token: inCookie, cookie: p.cookie}, nil
	}
	return found{}, authz.ErrNoCredential
}

// fromHeader returns the header's token; "" if the header is absent, empty, or
// an authorization of another scheme, which is addressed to others.
func (p place) fromHeader(h authz.Headers) (string, error) {
	if p.header == "" {
		return "", nil
	}
	value, err := authz.SingleValue(h, p.header)
	value = strings.Trim(value, " \t")
	if err != nil || value == "" {
		return "", err
	}
	token, bearer := cutBearer(value)
	if !bearer && p.header == "authorization" {
		return "", nil
	}
	if strings.IndexByte(token, ',') >= 0 {
		return "", malformed("header " + p.header + " is repeated, or its value holds a comma")
	}
	if token == "" {
		return "", invalid("empty token", nil)
	}
	return token, nil
}

// cutBearer cuts the scheme Bearer (RFC 6750 section 2.1; schemes have no case)
// from a value. What merely begins with the word, such as BearerX, is another
// scheme; what follows it without a space is still addressed to us.
func cutBearer(value string) (token string, ok bool) {
	const scheme = "bearer"
	if len(value) < len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return value, false
	}
	rest := value[len(scheme):]
	if rest != "" && isTokenByte(rest[0]) {
		return value, false
	}
	return strings.Trim(rest, " \t"), true
}

// isTokenByte reports a character of a token (RFC 9110 section 5.6.2).
func isTokenByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c < 0x80 && strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
