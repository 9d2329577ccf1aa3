package login

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"privyseal/authz"
)

// maxCookieBytes is what every browser keeps of one cookie, name and attributes
// included (RFC 6265 section 6.1).
const maxCookieBytes = 4096

const (
	sessionPrefix = authz.CookiePrefix + "-session-" // and the source's name
	flowPrefix    = authz.CookiePrefix + "-flow-"    // and the attempt's id
	triesPrefix   = authz.CookiePrefix + "-tries-"   // and the source's name
)

// cookieLine is the value of a Set-Cookie field. A life of 0 removes the cookie.
func cookieLine(name, value string, life time.Duration) string {
	c := http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if c.MaxAge = int(life / time.Second); c.MaxAge <= 0 {
		c.MaxAge = -1
	}
	return c.String()
}

// cookiesNamed returns the names of the request's cookies that begin with a
// prefix, sorted.
func cookiesNamed(r *authz.Request, prefix string) []string {
	var names []string
	for _, line := range r.Headers.Values("cookie") {
		// Envoy joins the cookie lines of HTTP/1 with a comma.
		for _, pair := range strings.FieldsFunc(line, func(c rune) bool { return c == ';' || c == ',' }) {
			name, _, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if strings.HasPrefix(name, prefix) && len(name) <= len(prefix)+64 {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
