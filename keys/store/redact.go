package store

import (
	"net/url"
	"slices"
	"strings"
)

const hidden = "xxxxx"

// Redact returns the address for logs, metrics and errors: without its password
// and whatever else in it could be one. That is the user where no password
// follows it, and every query parameter that is not one of ours. Of an address
// that cannot be parsed the scheme is left.
func Redact(address string) string {
	scheme, rest, found := strings.Cut(address, ":")
	if !found {
		return hidden
	}
	if scheme == "dir" {
		return address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Opaque != "" {
		if strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz") != "" || rest == "" {
			return hidden
		}
		return scheme + ":" + hidden
	}
	var user string
	if u.User != nil {
		user = hidden + "@"
		if _, ok := u.User.Password(); ok {
			user = url.QueryEscape(u.User.Username()) + ":" + user
		}
	}
	return u.Scheme + "://" + user + u.Host + u.EscapedPath() + redactQuery(u.Query())
}

func redactQuery(query url.Values) string {
	var shown []string
	for name, values := range query {
		switch name {
		case "key", "ca_file", "server", "token_file":
			shown = append(shown, name+"="+strings.Join(values, ","))
		default:
			shown = append(shown, name+"="+hidden)
		}
	}
	if len(shown) == 0 {
		return ""
	}
	slices.Sort(shown)
	return "?" + strings.Join(shown, "&")
}
