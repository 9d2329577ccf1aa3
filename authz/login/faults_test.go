package login_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/login"
)

// Faults that browser logins of proxies are known for, one test each.

func TestTwoTabsOverwriteOneStateCookie(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	first := b.begin(home + "/one")
	second := b.begin(home + "/two")
	if a := b.send("GET", second, navigation); a.status != 303 || a.location != "/two" {
		t.Errorf("second tab: %+v", a)
	}
	if a := b.send("GET", first, navigation); a.status != 303 || a.location != "/one" {
		t.Errorf("first tab: %+v", a)
	}
}

func TestCallbackWithoutFlowCookieButWithSession(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	callback := b.begin(home + "/one")
	b.open(home + "/two") // logs in, in another tab
	name, _ := b.cookie(flowCookie)
	delete(b.cookies["app.example"], name)
	if a := b.send("GET", callback, navigation); a.status != 303 || a.location != "/" {
		t.Errorf("with a session: %d %s", a.status, a.reason)
	}
	delete(b.cookies["app.example"], sessionCookie)
	if a := b.send("GET", callback, navigation); a.status != 400 || a.reason != authz.LoginFailed {
		t.Errorf("without: %d %s", a.status, a.reason)
	}
}

func TestScriptsPileUpFlowCookies(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	for _, headers := range []map[string]string{
		script,
		{"accept": "image/avif,*/*", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
		{"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
		{"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-purpose": "prefetch;prerender"},
		{"accept": "text/html", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
		{"accept": "application/json"},
		{"accept": "text/html", "x-requested-with": "XMLHttpRequest"},
		{"accept": "*/*", "upgrade": "websocket"},
		{"content-type": "application/grpc"},
		{},
	} {
		a := b.send("GET", home+"/data", headers)
		if a.location != "" || b.count(flowCookie) != 0 {
			t.Errorf("%v began a login: %d %s", headers, a.status, a.location)
		}
		if a.status != 401 && headers["content-type"] == "" {
			t.Errorf("%v: %d", headers, a.status)
		}
	}
	a := b.send("GET", home+"/data", script)
	if a.kind != "application/problem+json" || !strings.Contains(a.body, `"login_url":"/.privyseal/login?source=corp"`) || len(a.login) != 1 {
		t.Errorf("a script is told %s %s, challenges %q", a.kind, a.body, a.login)
	}
	if a := b.send("GET", home+"/.privyseal/login?source=corp", script); a.reason != authz.LoginFailed || b.count(flowCookie) != 0 {
		t.Errorf("a script at the login itself: %d %s", a.status, a.reason)
	}
	a = b.send("POST", home+"/form", navigation)
	if a.status != 401 || a.kind != authz.PageType || !strings.Contains(a.body, "/.privyseal/login?source=corp") || b.count(flowCookie) != 0 {
		t.Errorf("a form is told %d %s %s", a.status, a.kind, a.body)
	}
}

func TestLoginWithoutFetchMetadata(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.plain = true
	if a := b.open(home + "/"); !a.granted {
		t.Errorf("%+v", a)
	}
}

func TestFlowCookiesAreAtMostFour(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	var callbacks []string
	for range 7 {
		callbacks = append(callbacks, b.begin(home+"/"))
		w.clock.advance(time.Second)
		if n := b.count(flowCookie); n > 4 {
			t.Fatalf("%d flow cookies", n)
		}
	}
	if n := b.count(flowCookie); n != 4 {
		t.Errorf("%d flow cookies", n)
	}
	if a := b.send("GET", callbacks[2], navigation); a.status != 400 {
		t.Errorf("the oldest were not dropped: %d", a.status)
	}
	if a := b.send("GET", callbacks[3], navigation); a.status != 303 {
		t.Errorf("the fourth last: %d %s", a.status, a.reason)
	}
}

func TestSessionTooLargeIsAPageAndNoLoop(t *testing.T) {
	w := newWorld(t)
	w.op.user["groups"] = manyGroups(300)
	b := w.browser()
	a := b.open(home + "/")
	if a.status != 403 || a.reason != authz.SessionTooLarge || a.kind != authz.PageType {
		t.Fatalf("%d %s %s", a.status, a.reason, a.kind)
	}
	if !strings.Contains(a.cause, "session.store") || strings.Contains(a.body, "session.store") {
		t.Errorf("cause %q\n%s", a.cause, a.body)
	}
	if n := b.count(sessionCookie); n != 0 {
		t.Error("part of a session was kept")
	}
}

func TestSessionCookieReachesNoApplication(t *testing.T) {
	w := newWorld(t)
	b := w.loggedIn()
	b.begin(home + "/.privyseal/login?source=corp")
	b.cookies["app.example"]["theirs"] = "1"
	if a := b.send("GET", home+"/", navigation); !a.granted || a.cookie != "theirs=1" {
		t.Errorf("granted %v with cookie %q", a.granted, a.cookie)
	}
}

func TestParallelRequestsRefreshOnce(t *testing.T) {
	w := newWorld(t)
	b := w.loggedIn()
	w.clock.advance(w.op.accessLife * 9 / 10) // due, and not over
	asked := w.op.count("/token")
	var all sync.WaitGroup
	tabs := make([]*browser, 20)
	for i := range tabs {
		tabs[i] = b.copied()
		all.Go(func() {
			if a := tabs[i].send("GET", home+"/data", script); !a.granted {
				t.Errorf("tab %d: %d %s (%s)", i, a.status, a.reason, a.cause)
			}
		})
	}
	all.Wait()
	if n := w.op.count("/token") - asked; n != 1 {
		t.Errorf("the provider was asked %d times", n)
	}
	// Whichever cookie the browser kept last, the session goes on.
	w.clock.advance(w.op.accessLife * 9 / 10)
	for i, tab := range append(tabs, b) {
		if a := tab.send("GET", home+"/data", script); !a.granted {
			t.Errorf("later, tab %d: %d %s (%s)", i, a.status, a.reason, a.cause)
		}
	}
}

func TestInvalidGrantEndsTheSession(t *testing.T) {
	w := newWorld(t)
	b := w.loggedIn()
	thief := b.copied()
	w.op.set(func() { w.op.refuseRefresh = "invalid_grant" })
	w.clock.advance(w.op.accessLife * 9 / 10)
	if a := b.send("GET", home+"/data", script); a.status != 401 || a.reason != authz.ExpiredCredential {
		t.Errorf("%d %s (%s)", a.status, a.reason, a.cause)
	}
	if b.count(sessionCookie) != 0 {
		t.Error("the cookie is kept")
	}
	w.op.set(func() { w.op.refuseRefresh = "" })
	if a := thief.send("GET", home+"/data", script); a.status != 401 {
		t.Errorf("a copy of the cookie: %d", a.status)
	}
}

func TestCallbackNeedsLaxCookies(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	callback := b.begin(home + "/") // browser.keep refuses cookies that are not Lax
	crossSite := map[string]string{"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": "cross-site"}
	if a := b.send("GET", callback, crossSite); a.status != 303 {
		t.Errorf("a callback from another site: %d %s", a.status, a.reason)
	}
}

func TestLoginLoopEndsOnAPage(t *testing.T) {
	w := newWorld(t)
	w.judge = func(*authz.Identity) error { // never satisfied
		return &authz.Denial{Reason: authz.NotAllowed, StepUp: &authz.StepUp{MaxAge: time.Hour}}
	}
	b := w.browser()
	a := b.open(home + "/")
	if a.status != 403 || a.reason != authz.LoginLoop || a.kind != authz.PageType {
		t.Fatalf("%d %s (%s)", a.status, a.reason, a.cause)
	}
	if n := w.op.count("/authorize"); n != 3 {
		t.Errorf("the browser was sent to the provider %d times", n)
	}
	w.clock.advance(2 * time.Minute)
	w.judge = nil
	delete(b.cookies["app.example"], sessionCookie)
	if a := b.open(home + "/"); !a.granted {
		t.Errorf("after a while: %d %s", a.status, a.reason)
	}
}

func TestManyTabsAreNoLoop(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	var callbacks []string
	for range 4 { // a browser restores its tabs
		callbacks = append(callbacks, b.begin(home+"/"))
	}
	for _, callback := range callbacks {
		if a := b.send("GET", callback, navigation); a.status != 303 {
			t.Fatalf("%d %s (%s)", a.status, a.reason, a.cause)
		}
	}
	if a := b.open(home + "/"); !a.granted {
		t.Errorf("%d %s", a.status, a.reason)
	}
	b.send("POST", home+"/.privyseal/logout", fromOurPage)
	if a := b.open(home + "/"); !a.granted {
		t.Errorf("after a logout: %d %s", a.status, a.reason)
	}
}

func TestReturnURLIsNeverOpen(t *testing.T) {
	w := newWorld(t)
	for _, target := range openRedirects() {
		b := w.browser()
		a := b.send("GET", home+"/.privyseal/login?source=corp&return="+escaped(target), navigation)
		if a.status != 303 {
			t.Fatalf("%q: %d %s", target, a.status, a.reason)
		}
		a = b.send("GET", b.follow(home, a.location), navigation)
		if a.status != 303 || a.location != "/" {
			t.Errorf("%q leads to %d %q", target, a.status, a.location)
		}
	}
}

func TestIdleAndAbsoluteLimits(t *testing.T) {
	w := newWorld(t, func(o *login.Source) { o.Session = login.Session{Idle: 10 * time.Minute, Absolute: time.Hour} })
	w.op.noRefresh = true
	b := w.loggedIn()
	for range 6 { // used every 9 minutes
		w.clock.advance(9 * time.Minute)
		if a := b.send("GET", home+"/", script); !a.granted {
			t.Fatalf("in use: %d %s (%s)", a.status, a.reason, a.cause)
		}
	}
	w.clock.advance(7 * time.Minute) // 61 minutes
	if a := b.send("GET", home+"/", script); a.reason != authz.ExpiredCredential {
		t.Errorf("after an hour in use: %s", a.reason)
	}
	b = w.loggedIn()
	w.clock.advance(11 * time.Minute)
	if a := b.send("GET", home+"/", script); a.reason != authz.ExpiredCredential {
		t.Errorf("idle: %s", a.reason)
	}
	if a := b.open(home + "/"); !a.granted {
		t.Errorf("logging in again: %d %s", a.status, a.reason)
	}
}

func TestStepUp(t *testing.T) {
	w := newWorld(t)
	w.op.user["acr"] = "password"
	w.judge = func(id *authz.Identity) error {
		if id.ACR == "gold" {
			return nil
		}
		return &authz.Denial{Reason: authz.NotAllowed, StepUp: &authz.StepUp{ACR: []string{"gold"}}}
	}
	b := w.browser()
	w.op.user["acr"] = "gold"
	if a := b.open(home + "/"); !a.granted {
		t.Fatalf("%d %s (%s)", a.status, a.reason, a.cause)
	}
	w.op.user["acr"] = "password" // and cannot do better
	b = w.browser()
	a := b.open(home + "/") // logs in, is challenged, and the provider does not deliver
	if a.status != 400 || a.reason != authz.LoginFailed || !strings.Contains(a.body, "as strongly") {
		t.Errorf("%d %s (%s)", a.status, a.reason, a.cause)
	}
	if a := b.send("GET", home+"/", script); a.status != 401 || a.reason != authz.NotAllowed {
		t.Errorf("a script: %d %s", a.status, a.reason)
	}
}

func TestMaxAge(t *testing.T) {
	w := newWorld(t)
	w.judge = func(id *authz.Identity) error {
		if w.clock.Now().Sub(id.AuthTime) <= 5*time.Minute {
			return nil
		}
		return &authz.Denial{Reason: authz.NotAllowed, StepUp: &authz.StepUp{MaxAge: 5 * time.Minute}}
	}
	w.op.noRefresh = true
	b := w.loggedIn()
	w.clock.advance(20 * time.Minute)
	if a := b.open(home + "/"); !a.granted {
		t.Errorf("authenticated again: %d %s (%s)", a.status, a.reason, a.cause)
	}
	w.op.idToken = func(claims map[string]any) { claims["auth_time"] = w.clock.Now().Add(-time.Hour).Unix() }
	w.clock.advance(20 * time.Minute)
	if a := b.open(home + "/"); a.reason != authz.LoginFailed {
		t.Errorf("a provider that ignores max_age: %d %s (%s)", a.status, a.reason, a.cause)
	}
}

func TestRefusalsThatEndNoSession(t *testing.T) {
	w := newWorld(t)
	b := w.loggedIn()
	w.op.set(func() { w.op.refuseRefresh = "invalid_client" })
	w.clock.advance(w.op.accessLife + time.Second)
	if a := b.send("GET", home+"/data", script); a.status != 503 || a.reason != authz.SourceUnavailable || !strings.Contains(a.cause, "invalid_client") {
		t.Errorf("%d %s (%s)", a.status, a.reason, a.cause)
	}
	w.op.set(func() { w.op.refuseRefresh = "" })
	w.clock.advance(5 * time.Second)
	if a := b.send("GET", home+"/data", script); !a.granted {
		t.Errorf("when the mistake is mended: %d %s (%s)", a.status, a.reason, a.cause)
	}
}

func TestRenewalByAnotherPersonEndsTheSession(t *testing.T) {
	w := newWorld(t)
	b := w.loggedIn()
	w.op.set(func() { w.op.user["sub"] = "mallory" })
	w.clock.advance(w.op.accessLife * 9 / 10)
	if a := b.send("GET", home+"/data", script); a.reason != authz.ExpiredCredential || b.count(sessionCookie) != 0 {
		t.Errorf("%d %s (%s)", a.status, a.reason, a.cause)
	}
}

func TestRenewalIsNoAuthentication(t *testing.T) {
	w := newWorld(t)
	w.op.user["acr"], w.op.user["amr"] = "gold", []string{"otp"}
	b := w.loggedIn()
	began := w.clock.Now()
	w.op.set(func() {
		w.op.idToken = func(claims map[string]any) { delete(claims, "acr"); delete(claims, "amr"); delete(claims, "auth_time") }
	})
	w.clock.advance(w.op.accessLife * 9 / 10)
	w.judge = func(id *authz.Identity) error {
		if id.ACR != "gold" || len(id.AMR) != 1 || !id.AuthTime.Equal(began) {
			t.Errorf("acr %q, amr %q, auth_time %v", id.ACR, id.AMR, id.AuthTime)
		}
		return nil
	}
	if a := b.send("GET", home+"/data", script); !a.granted || w.op.count("/token") != 2 {
		t.Errorf("%s, %d requests for tokens", a.reason, w.op.count("/token"))
	}
}

func TestRenewalTakesUpNewGroups(t *testing.T) {
	w := newWorld(t)
	b := w.loggedIn()
	w.op.set(func() { w.op.user["groups"] = []string{"other"} })
	w.judge = func(id *authz.Identity) error {
		if len(id.Groups) == 1 && id.Groups[0] == "other" {
			return nil
		}
		return &authz.Denial{Reason: authz.NotAllowed}
	}
	if a := b.send("GET", home+"/data", script); a.reason != authz.NotAllowed {
		t.Errorf("before: %s", a.reason)
	}
	w.clock.advance(w.op.accessLife * 9 / 10)
	if a := b.send("GET", home+"/data", script); !a.granted {
		t.Errorf("after: %s (%s)", a.reason, a.cause)
	}
}
