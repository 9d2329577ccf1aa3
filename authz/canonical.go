package authz

import (
	"errors"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// CanonicalHost returns the one form of a host that rules, issuers and
// audiences are compared in: lower case, without a port, without a trailing
// dot; an IPv6 literal without brackets, in the form of RFC 5952.
//
// It accepts LDH names (RFC 5890 section 2.3.1: letters, digits, hyphens;
// labels to 63 bytes, 253 in all) and IP literals, and nothing else: a list of
// hosts, which Envoy makes of a repeated Host header, user information, a zone
// or an underscore are errors. A name whose last label is a number is refused
// unless it is an IPv4 literal, because some programs read it as an address.
func CanonicalHost(host string) (string, error) {
	name := host
	if strings.HasPrefix(name, "[") {
		end := strings.IndexByte(name, ']')
		if end < 0 || !validPort(name[end+1:]) {
			return "", errHost
		}
		addr, err := netip.ParseAddr(name[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", errHost
		}
		return addr.String(), nil
	}
	if i := strings.IndexByte(name, ':'); i >= 0 {
		if !validPort(name[i:]) {
			return "", errHost
		}
		name = name[:i]
	}
	name = lowerASCII(strings.TrimSuffix(name, "."))
	if name != "" && isDigit(name[len(name)-1]) { // an error of ParseAddr costs more than all else here
		if addr, err := netip.ParseAddr(name); err == nil && addr.Is4() {
			return addr.String(), nil
		}
	}
	if !isLDH(name) {
		return "", errHost
	}
	return name, nil
}

var errHost = errors.New("is not a host name or IP literal")

// lowerASCII leaves other letters alone: strings.ToLower makes an ASCII "k" of
// the Kelvin sign, and so one host of another.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] |= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

// validPort accepts what may follow a host: nothing, or a colon and a port.
func validPort(s string) bool {
	if s == "" {
		return true
	}
	if s[0] != ':' || len(s) > 6 {
		return false
	}
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func isLDH(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if c := label[i]; !isLower(c) && !isDigit(c) && c != '-' {
				return false
			}
		}
		last = label
	}
	digits, hexadecimal := strings.CutPrefix(last, "0x")
	return strings.Trim(last, "0123456789") != "" && !(hexadecimal && strings.Trim(digits, "0123456789abcdef") == "")
}

// CanonicalPath returns the one form of a path that rules are compared with:
// percent-decoded once. ambiguous reports that the raw path could be read in
// more than one way by programs that normalise differently: an empty segment
// but the last, a "." or ".." segment, ';', '\', '#', '?', a byte outside visible ASCII,
// a bad escape, or an escape of '/', '\', '.', '%', ';', '#', '?' or a control
// character; or bytes that are not UTF-8 once decoded.
//
// For unambiguous paths, two raw paths that mean the same (RFC 3986 section
// 6.2.2) have one canonical form.
func CanonicalPath(raw string) (path string, ambiguous bool) {
	if strings.IndexByte(raw, '%') < 0 {
		return raw, ambiguousBytes(raw) || ambiguousSegments(raw)
	}
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
			return raw, true
		}
		c = unhex(raw[i+1])<<4 | unhex(raw[i+2])
		i += 2
		if c < 0x20 || c == 0x7f || strings.IndexByte(`/\.%;#?`, c) >= 0 {
			ambiguous = true
		}
		b.WriteByte(c)
	}
	path = b.String()
	return path, ambiguous || ambiguousBytes(raw) || ambiguousSegments(path) || !utf8.ValidString(path)
}

func ambiguousBytes(raw string) bool {
	for i := 0; i < len(raw); i++ {
		if c := raw[i]; c <= 0x20 || c >= 0x7f || c == ';' || c == '\\' || c == '#' || c == '?' {
			return true
		}
	}
	return false
}

func ambiguousSegments(path string) bool {
	return strings.Contains(path, "//") || strings.Contains(path, "/./") || strings.Contains(path, "/../") ||
		strings.HasSuffix(path, "/.") || strings.HasSuffix(path, "/..")
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// ValidMethod reports whether a method is one that rules can name: upper-case
// letters, digits, '-' and '_', at most 32. Methods distinguish case (RFC 9110
// section 9.1), HTTP/2 clients may send any, and some applications do not: "post"
// would pass by a rule about POST and be a POST to them.
func ValidMethod(method string) bool {
	return method != "" && len(method) <= 32 && strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isDigit(c) && !isLower(c|0x20) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}
