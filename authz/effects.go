package authz

import (
	"strings"
	"unicode/utf8"
)

// CookiePrefix begins the name of every cookie of ours. Such cookies are hidden
// from the application on every grant.
const CookiePrefix = "__Host-privyseal"

// Effects collects what a decision does beside granting or denying. The zero
// value has none. It belongs to one request and is not safe for concurrent use.
type Effects struct {
	cookies       []string
	hiddenHeaders []string
	hiddenCookies []string
}

// SetCookie sends a cookie to the client, on a grant and on a denial alike. The
// line is the value of one Set-Cookie field, as (*http.Cookie).String makes it;
// a line with a control character is dropped.
func (fx *Effects) SetCookie(line string) {
	if line != "" && !strings.ContainsFunc(line, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		fx.cookies = append(fx.cookies, line)
	}
}

// HideHeader removes a request header (lower-case name) on a grant, so that the
// application does not receive the credential in it.
func (fx *Effects) HideHeader(name string) { fx.hiddenHeaders = append(fx.hiddenHeaders, name) }

// HideCookie removes one cookie from the request's cookies on a grant.
func (fx *Effects) HideCookie(name string) { fx.hiddenCookies = append(fx.hiddenCookies, name) }

func (fx *Effects) hidesCookie(name string) bool {
	if strings.HasPrefix(name, CookiePrefix) {
		return true
	}
	for _, hidden := range fx.hiddenCookies {
		if hidden == name {
			return true
		}
	}
	return false
}

// Cookie returns the value of a cookie; ok is false when there is none. A
// cookie that occurs twice is a denial with reason [MalformedRequest], because
// the application might read the other one.
func Cookie(h Headers, name string) (value string, ok bool, err error) {
	for piece := range cookiePieces(h.Values("cookie")) {
		n, v, _ := strings.Cut(piece.pair, "=")
		if strings.TrimSpace(n) != name {
			continue
		}
		if ok {
			return "", false, &Denial{Reason: MalformedRequest, Detail: "cookie " + name + " is repeated"}
		}
		value, ok = strings.Trim(strings.TrimSpace(v), `"`), true
	}
	return value, ok, nil
}

// hidesAny reports whether one of the cookies is hidden.
func (fx *Effects) hidesAny(values []string) bool {
	for piece := range cookiePieces(values) {
		name, _, _ := strings.Cut(piece.pair, "=")
		if fx.hidesCookie(strings.TrimSpace(name)) {
			return true
		}
	}
	return false
}

// visibleCookies returns the cookie header without the hidden cookies, and
// whether that differs from what the request carried.
func (fx *Effects) visibleCookies(values []string) (rest string, changed bool) {
	if !fx.hidesAny(values) {
		return "", false
	}
	var b strings.Builder
	apart := false // what follows a cookie left out does not continue the one before
	for piece := range cookiePieces(values) {
		name, _, _ := strings.Cut(piece.pair, "=")
		if fx.hidesCookie(strings.TrimSpace(name)) {
			changed, apart = true, apart || piece.separator == "; "
			continue
		}
		if apart || piece.separator == "; " {
			piece = cookiePiece{"; ", strings.TrimSpace(piece.pair)}
		}
		if piece == (cookiePiece{separator: "; "}) {
			continue
		}
		if apart = !utf8.ValidString(piece.pair); apart {
			continue // cannot be written back: an answer to Envoy is UTF-8
		}
		if b.Len() > 0 {
			b.WriteString(piece.separator)
		}
		b.WriteString(piece.pair)
	}
	return b.String(), changed
}

type cookiePiece struct{ separator, pair string }

// cookiePieces splits cookie fields at ';' (RFC 6265 section 4.2.1) and at ',':
// in map form Envoy joins the cookie lines of an HTTP/1 request with a comma,
// so "a=1,b=2" may be two cookies. A value that holds a comma keeps it, because
// pieces are joined again by the separator they had.
func cookiePieces(values []string) func(yield func(cookiePiece) bool) {
	return func(yield func(cookiePiece) bool) {
		for _, value := range values {
			separator := "; "
			for {
				pair, next := value, ""
				i := strings.IndexAny(value, ";,")
				if i >= 0 {
					pair, next = value[:i], value[i+1:]
				}
				if !yield(cookiePiece{separator, pair}) {
					return
				}
				if i < 0 {
					break
				}
				separator = "; "
				if value[i] == ',' {
					separator = ","
				}
				value = next
			}
		}
	}
}
