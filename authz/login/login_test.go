package login_test

import (
	"strings"
	"testing"
	"time"
)

func TestLogin(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.cookies["app.example"] = map[string]string{"theirs": "1"}
	a := b.open(home + "/orders?id=7")
	if !a.granted || a.url != home+"/orders?id=7" {
		t.Fatalf("%+v", a)
	}
	if a.identity.Source != "corp" || a.identity.Subject != "alice" || a.identity.Issuer != w.op.URL {
		t.Errorf("identity %+v", a.identity)
	}
	if a.cookie != "theirs=1" {
		t.Errorf("the application receives cookie %q", a.cookie)
	}
	if n := b.count(flowCookie); n != 0 {
		t.Errorf("%d flow cookies are left", n)
	}
	if a := b.send("GET", home+"/data", script); !a.granted {
		t.Errorf("a script with the session: %d %s", a.status, a.reason)
	}
	if n := w.op.count("/token"); n != 1 {
		t.Errorf("the provider was asked %d times", n)
	}
	if a := b.send("GET", home+"/.privyseal/me", script); a.status != 200 || !strings.Contains(a.body, `"sub":"alice"`) {
		t.Errorf("me: %+v", a)
	}
}

func TestEnvoysPatienceIsShort(t *testing.T) {
	w := newWorld(t)
	release := make(chan struct{})
	b := w.browser()
	callback := b.begin(home + "/")
	w.op.set(func() { w.op.beforeAnswer = slow("/token", release) })
	b.within = 100 * time.Millisecond
	a := b.send("GET", callback, navigation)
	if a.status != 503 || !strings.Contains(a.body, `http-equiv="refresh"`) || b.count(flowCookie) != 1 {
		t.Fatalf("while the provider thinks: %d, %d flow cookies\n%s", a.status, b.count(flowCookie), a.body)
	}
	close(release)
	b.within = 0
	if a := b.send("GET", callback, navigation); a.status != 303 || a.location != "/" {
		t.Fatalf("when the page asks again: %d %s (%s)", a.status, a.reason, a.cause)
	}
	if n := w.op.count("/token"); n != 1 {
		t.Errorf("the code was used %d times", n)
	}
}
