package store

import (
	"net/url"
	"slices"
	"strings"
)

const hidden = "xxxxx"

// redact returns the address for logs, metrics and errors: without its password
// and whatever else in it could be one. That is the user where no password
// follows it, every query parameter that is not one of ours, and everything but
// the scheme where a password may have been cut in two, or nothing parses.
func redact(address string) string {
	scheme, rest, found := strings.Cut(address, ":")
	if !found || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz") != "" {
		return hidden
	}
	if scheme == "dir" {
		return address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return scheme + ":" + hidden
	}
	var user string
	signs := 0 // of the @ that ends a user
	if u.User != nil {
		signs = 1
		user = hidden + "@"
		if _, ok := u.User.Password(); ok {
			user = url.QueryEscape(u.User.Username()) + ":" + user
		}
	}
	if strings.Count(rest, "@") > signs {
		return scheme + ":" + hidden
	}
	return scheme + "://" + user + u.Host + u.EscapedPath() + redactQuery(u.Query())
}

func redactQuery(query url.Values) string {
	var shown []string
	for name, values := range query {
		value := hidden
		if slices.Contains([]string{"key", "ca_file", "server", "token_file"}, name) {
			value = strings.Join(values, ",")
		}
		shown = append(shown, name+"="+value)
	}
	if len(shown) == 0 {
		return ""
	}
	slices.Sort(shown)
	return "?" + strings.Join(shown, "&")
}
