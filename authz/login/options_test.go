package login

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
)

func valid(edit func(*Source)) Source {
	o := Source{Name: "corp", Issuer: "https://idp.example", ClientID: "c", CookieSecrets: []string{"0123456789abcdef0123456789abcdef"}}
	if edit != nil {
		edit(&o)
	}
	return o
}

// wrong returns the paths of the mistakes in options.
func wrong(t *testing.T, options ...Source) (paths []string) {
	t.Helper()
	m := NewMemory(MemoryOptions{Offline: true})
	defer m.Close()
	l, err := New(options, m)
	if err == nil {
		l.Close()
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%v is not joined", err)
	}
	for _, e := range joined.Unwrap() {
		var option *authz.OptionError
		if !errors.As(e, &option) {
			t.Errorf("%v has no path", e)
			continue
		}
		paths = append(paths, option.Path)
		if strings.Contains(e.Error(), "hunter2") {
			t.Errorf("%v holds a secret", e)
		}
	}
	return paths
}

func TestMistakesInOptions(t *testing.T) {
	for path, edit := range map[string]func(*Source){
		"[0].name":               func(o *Source) { o.Name = "Corp" },
		"[0].issuer":             func(o *Source) { o.Issuer = "http://idp.example" },
		"[0].client_id":          func(o *Source) { o.ClientID = "" },
		"[0].scopes":             func(o *Source) { o.Scopes = []string{"email"} },
		"[0].scopes[1]":          func(o *Source) { o.Scopes = []string{"openid", "a b"} },
		"[0].cookie_secrets":     func(o *Source) { o.CookieSecrets = nil },
		"[0].cookie_secrets[1]":  func(o *Source) { o.CookieSecrets = append(o.CookieSecrets, "hunter2") },
		"[0].cookie_secrets[0]":  func(o *Source) { o.CookieSecrets = []string{strings.Repeat("a", 40)} },
		"[0].hosts[0]":           func(o *Source) { o.Hosts = []string{"*"} },
		"[0].redirect_path":      func(o *Source) { o.RedirectPath = "/callback" },
		"[0].session.store":      func(o *Source) { o.Session.Store = "redis://user@hunter2" },
		"[0].session.idle":       func(o *Source) { o.Session.Idle = time.Second },
		"[0].session.absolute":   func(o *Source) { o.Session.Absolute = time.Minute },
		"[0].claim_paths.roles":  func(o *Source) { o.ClaimPaths = map[string]string{"roles": "x"} },
		"[0].claim_paths.groups": func(o *Source) { o.ClaimPaths = map[string]string{"groups": "a..b"} },
		"[0].email":              func(o *Source) { o.Email = "yes" },
		"[0].max_age":            func(o *Source) { o.MaxAge = -1 },
		"[0].post_logout":        func(o *Source) { o.PostLogout = "//evil.example" },
	} {
		if got := wrong(t, valid(edit)); !slices.Equal(got, []string{path}) {
			t.Errorf("mistake at %s: told %v", path, got)
		}
	}
	if got := wrong(t, valid(nil)); got != nil {
		t.Errorf("no mistake: told %v", got)
	}
	if got := wrong(t, valid(nil), valid(func(o *Source) { o.Session.Idle = 1; o.MaxAge = -1 })); !slices.Equal(got, []string{"[1].session.idle", "[1].max_age", "[1].name"}) {
		t.Errorf("several: told %v", got)
	}
	primary := func(o *Source) { o.Primary = true }
	if got := wrong(t, valid(primary), valid(func(o *Source) { primary(o); o.Name = "partner" })); !slices.Equal(got, []string{"[1].primary"}) {
		t.Errorf("two primary: told %v", got)
	}
}

func TestServes(t *testing.T) {
	o := valid(func(o *Source) { o.Hosts = []string{"App.example", "*.corp.example"} })
	for host, want := range map[string]bool{
		"app.example": true, "a.corp.example": true, "a.b.corp.example": true, "corp.example": false, "evilcorp.example": false, "x.app.example": false,
	} {
		if o.serves(host) != want {
			t.Errorf("%s: %v", host, !want)
		}
	}
}

func TestOrigin(t *testing.T) {
	for _, test := range []struct{ scheme, host, want string }{
		{"https", "app.example", "https://app.example"},
		{"http", "app.example", "https://app.example"}, // a client can influence the scheme
		{"https", "App.example:8443", "https://app.example:8443"},
		{"https", "app.example:443", "https://app.example"},
		{"http", "localhost:8080", "http://localhost:8080"},
		{"http", "app.localhost:8080", "http://app.localhost:8080"},
		{"http", "127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"http", "[::1]:8080", "http://[::1]:8080"},
		{"https", "[2001:db8::1]", "https://[2001:db8::1]"},
	} {
		r, denial := authz.NewRequest("GET", test.scheme, test.host, "/")
		if denial != nil {
			t.Fatal(denial)
		}
		if got := origin(r); got != test.want {
			t.Errorf("%s %s: %s, want %s", test.scheme, test.host, got, test.want)
		}
	}
}
