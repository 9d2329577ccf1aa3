package store

import (
	"strings"
	"testing"
)

func none(string) string { return "" }

// Mistakes in an address are found when it is opened, which asks nobody.
func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct{ address, want string }{
		{"", "is no address of a keyring"},
		{"/var/lib/privyseal", "is no address of a keyring"},
		{"vault://s3cret@host", "is no address of a keyring"},
		{"dir:", "names no directory"},
		{"dir:a\x00b", "names no directory"},
		{"redis:s3cret", "does not parse"},
		{"redis://user:s3cret%@host?key=k", "special characters of a password"},
		{"redis://user:s3cret@?key=k", "does not parse"},
		{"redis://user:s3cret@host/0", "key= is missing"},
		{"redis://host?key=", "empty"},
		{"redis://host?key=a&key=b", "twice"},
		{"redis://host?key=k&password=s3cret", "password=xxxxx: unknown parameter; known are key, ca_file"},
		{"redis://host?key=k;s3cret", "query does not parse"},
		{"redis://host/first?key=k", "number of the database"},
		{"redis://host/-1?key=k", "number of the database"},
		{"redis://user:12?s3cret@host", "unknown parameter"},
		{"redis://s3cret@host?key=k", "a user without a password"},
		{"redis://host?key=k&ca_file=/ca.pem", "ca_file= is for rediss"},
		{"kubernetes://edge/keyring", "this is no pod"},
		{"kubernetes://edge", "lower-case DNS names"},
		{"kubernetes:///keyring", "lower-case DNS names"},
		{"kubernetes://edge/a/b", "lower-case DNS names"},
		{"kubernetes://edge/..", "lower-case DNS names"},
		{"kubernetes://edge/a%2fb", "lower-case DNS names"},
		{"kubernetes://edge/a%22b", "lower-case DNS names"},
		{"kubernetes://Edge/keyring", "lower-case DNS names"},
		{"kubernetes://a.b/keyring", "lower-case DNS names"},
		{"kubernetes://u:s3cret@edge/keyring", "does not parse"},
		{"kubernetes://edge/keyring?server=http://host", "server= is https"},
		{"kubernetes://edge/keyring?server=https://u:s3cret@host", "server= is https"},
		{"kubernetes://edge/keyring?token=s3cret", "unknown parameter"},
	} {
		s, err := Open(test.address, Options{Getenv: none})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, %v; want an error with %q", test.address, s, err, test.want)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: the error shows the password: %v", test.address, err)
		}
	}
}

// Opening asks nobody: a store that is down at start is found out by Load.
func TestOpenAsksNobody(t *testing.T) {
	for _, address := range []string{
		"dir:/does/not/exist",
		"redis://127.0.0.1:1?key=k",
		"rediss://user:s3cret@127.0.0.1:1/15?key=k&ca_file=/does/not/exist",
		"kubernetes://edge/keyring?server=https://127.0.0.1:1&token_file=/does/not/exist&ca_file=/does/not/exist",
	} {
		s, err := Open(address, Options{Getenv: none})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if _, err := s.Load(t.Context()); err == nil {
			t.Errorf("%s: loaded", address)
		}
	}
}

func TestRedact(t *testing.T) {
	for address, want := range map[string]string{
		"dir:/var/lib/privyseal":                        "dir:/var/lib/privyseal",
		"redis://host:6379/0?key=k":                     "redis://host:6379/0?key=k",
		"rediss://user:s3cret@host/0?key=k&ca_file=/ca": "rediss://user:xxxxx@host/0?ca_file=/ca&key=k",
		"redis://:s3cret@host?key=k":                    "redis://:xxxxx@host?key=k",
		"redis://s3cret@host?key=k":                     "redis://xxxxx@host?key=k",
		"redis://host?password=s3cret":                  "redis://host?password=xxxxx",
		"redis://user:s3cret%@host":                     "redis:xxxxx",
		"redis://user:s3c/ret@host":                     "redis:xxxxx",
		"redis:s3cret":                                  "redis:xxxxx",
		"redis://host#s3cret":                           "redis://host",
		"s3cret":                                        "xxxxx",
		"s3cret:":                                       "xxxxx",
		"kubernetes://edge/keyring?server=https://host": "kubernetes://edge/keyring?server=https://host",
		"kubernetes://edge/k?server=https://u:s3cret@h": "kubernetes:xxxxx",
		"redis://user:12/s3cret@host?key=k":             "redis:xxxxx",
		"redis://user:12?s3cret@host?key=k":             "redis:xxxxx",
		"redis://user:12#s3cret@host?key=k":             "redis:xxxxx",
		"redis://user:s3@cret@host?key=k":               "redis:xxxxx",
	} {
		if got := redact(address); got != want {
			t.Errorf("redact(%q) = %q, want %q", address, got, want)
		}
	}
}
