package login_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/login"
)

var fromOurPage = map[string]string{"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": "same-origin"}

func TestLogout(t *testing.T) {
	w := newWorld(t, func(o *login.Source) { o.PostLogout = "/bye" })
	b := w.loggedIn()
	thief := b.copied()
	a := b.send("POST", home+"/.privyseal/logout", fromOurPage)
	to, _ := url.Parse(a.location)
	if a.status != 303 || !strings.HasPrefix(a.location, w.op.URL+"/logout?") || to.Query().Get("client_id") != "privyseal" ||
		to.Query().Get("post_logout_redirect_uri") != home+"/bye" {
		t.Errorf("%d %s", a.status, a.location)
	}
	if b.count(sessionCookie) != 0 {
		t.Error("the cookie is kept")
	}
	if a := thief.send("GET", home+"/", script); a.reason != authz.ExpiredCredential {
		t.Errorf("a copy of the cookie: %d %s", a.status, a.reason)
	}
	if a := b.open(home + "/"); !a.granted {
		t.Errorf("logging in again: %d %s (%s)", a.status, a.reason, a.cause)
	}
}

func TestLocalLogout(t *testing.T) {
	w := newWorld(t, func(o *login.Source) { o.LocalLogout = true })
	b := w.loggedIn()
	if a := b.send("GET", home+"/.privyseal/logout", fromOurPage); a.status != 200 || !strings.Contains(a.body, "logged out") || b.count(sessionCookie) != 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := b.send("POST", home+"/.privyseal/logout", fromOurPage); a.status != 200 {
		t.Errorf("without a session: %d", a.status)
	}
}

func TestLogoutCSRF(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		method  string
		headers map[string]string
		out     bool
	}{
		"link elsewhere":          {"GET", map[string]string{"sec-fetch-site": "cross-site", "accept": "text/html"}, false},
		"link of a sibling":       {"GET", map[string]string{"sec-fetch-site": "same-site"}, false},
		"typed in":                {"GET", map[string]string{"sec-fetch-site": "none"}, false},
		"image elsewhere":         {"GET", map[string]string{"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"}, false},
		"unknown":                 {"GET", nil, false},
		"form elsewhere":          {"POST", map[string]string{"sec-fetch-site": "cross-site"}, false},
		"form elsewhere, old":     {"POST", map[string]string{"origin": "https://evil.example"}, false},
		"form nowhere":            {"POST", map[string]string{"origin": "null"}, false},
		"form unknown":            {"POST", nil, false},
		"form on plain http":      {"POST", map[string]string{"origin": "http://app.example"}, false},
		"form on another port":    {"POST", map[string]string{"origin": "https://app.example:8443"}, false},
		"two origins":             {"POST", map[string]string{"sec-fetch-site": "same-origin, cross-site"}, false},
		"our form":                {"POST", map[string]string{"sec-fetch-site": "same-origin"}, true},
		"our form, old browser":   {"POST", map[string]string{"origin": "https://app.example"}, true},
		"our form, explicit port": {"POST", map[string]string{"origin": "https://app.example:443"}, true},
		"our link":                {"GET", map[string]string{"sec-fetch-site": "same-origin"}, true},
	} {
		b := w.loggedIn()
		a := b.send(test.method, home+"/.privyseal/logout", test.headers)
		if out := b.count(sessionCookie) == 0; out != test.out {
			t.Errorf("%s: logged out %v, %d %s", name, out, a.status, a.reason)
		}
		if test.method == "GET" && !test.out && !strings.Contains(a.body, `<form method="post" action="/.privyseal/logout">`) {
			t.Errorf("%s: no question: %s", name, a.body)
		}
	}
}

// post sends a logout token as a provider does.
func (w *world) post(path, body string) (status int) {
	w.t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	w.logins.BackChannel().ServeHTTP(rec, r)
	if rec.Header().Get("Cache-Control") != "no-store" {
		w.t.Error("the answer may be stored")
	}
	return rec.Code
}

const backChannel = login.BackChannelPath + "corp"

func TestBackChannelLogout(t *testing.T) {
	for name, edit := range map[string]func(map[string]any){
		"the session": nil,
		"by session":  func(c map[string]any) { delete(c, "sub") },
		"the person":  func(c map[string]any) { delete(c, "sid") },
	} {
		w := newWorld(t)
		b := w.loggedIn()
		other := w.browser()
		w.op.user["sub"], w.op.user["sid"] = "bob", "op-session-2"
		other.open(home + "/")
		w.clock.advance(time.Second)
		if status := w.post(backChannel, "logout_token="+w.op.logoutToken(edit)); status != 200 {
			t.Fatalf("%s: %d", name, status)
		}
		if a := b.send("GET", home+"/", script); a.reason != authz.ExpiredCredential {
			t.Errorf("%s goes on: %d %s", name, a.status, a.reason)
		}
		if a := other.send("GET", home+"/", script); !a.granted {
			t.Errorf("%s: another person is logged out: %s", name, a.reason)
		}
		w.clock.advance(time.Second)
		w.op.user["sub"], w.op.user["sid"] = "alice", "op-session-3"
		if a := b.open(home + "/"); !a.granted {
			t.Errorf("%s: logging in again: %s (%s)", name, a.reason, a.cause)
		}
	}
}

func TestBackChannelRefusals(t *testing.T) {
	w := newWorld(t)
	b := w.loggedIn()
	token := func(edit func(map[string]any)) string { return "logout_token=" + w.op.logoutToken(edit) }
	claim := func(name string, value any) string {
		return token(func(c map[string]any) {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		})
	}
	forged := []byte(token(nil))
	forged[len(forged)-3] ^= 1
	for name, body := range map[string]string{
		"nothing": "", "not a token": "logout_token=x", "two tokens": token(nil) + "&" + token(nil), "forged": string(forged),
		"another issuer": claim("iss", "https://evil.example"), "another audience": claim("aud", "other"), "expired": claim("exp", 1000),
		"no expiry": claim("exp", nil), "old": claim("iat", w.clock.Now().Add(-time.Hour).Unix()), "from the future": claim("iat", w.clock.Now().Add(time.Hour).Unix()),
		"no jti": claim("jti", nil), "no event": claim("events", map[string]any{}), "a nonce": claim("nonce", "x"),
		"nobody":      token(func(c map[string]any) { delete(c, "sub"); delete(c, "sid") }),
		"an ID token": "logout_token=" + w.op.idTokenFor(""), "another type": "logout_token=" + w.op.typed("at+jwt", nil),
		"huge": token(nil) + "&x=" + strings.Repeat("x", 70<<10),
	} {
		if status := w.post(backChannel, body); status != 400 {
			t.Errorf("%s: %d", name, status)
		}
	}
	if a := b.send("GET", home+"/", script); !a.granted {
		t.Errorf("the session was ended: %s", a.reason)
	}
	if status := w.post(login.BackChannelPath+"nobody", token(nil)); status != http.StatusNotFound {
		t.Errorf("no such source: %d", status)
	}
	rec := httptest.NewRecorder()
	w.logins.BackChannel().ServeHTTP(rec, httptest.NewRequest("GET", backChannel+"?"+token(nil), nil))
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", rec.Code)
	}
}

func TestBackChannelReplay(t *testing.T) {
	w := newWorld(t)
	w.loggedIn()
	token := "logout_token=" + w.op.logoutToken(func(c map[string]any) { delete(c, "sid") })
	if status := w.post(backChannel, token); status != 200 {
		t.Fatal(status)
	}
	w.clock.advance(time.Second)
	b := w.loggedIn()
	w.clock.advance(time.Second)
	if status := w.post(backChannel, token); status != 400 {
		t.Errorf("replayed: %d", status)
	}
	if a := b.send("GET", home+"/", script); !a.granted {
		t.Errorf("the session begun since is ended: %s", a.reason)
	}
}
