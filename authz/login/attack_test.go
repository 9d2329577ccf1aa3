package login_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"privyseal/authz"
)

func manyGroups(n int) []string {
	var list []string
	for range n {
		list = append(list, rand.Text())
	}
	return list
}

func TestForgedSessions(t *testing.T) {
	w := newWorld(t)
	b := w.loggedIn()
	_, good := b.cookie(sessionCookie)
	c := w.browser()
	c.begin(home + "/")
	_, flowText := c.cookie(flowCookie)
	flip := func(i int) string {
		text := []byte(good)
		if text[i] == 'A' {
			text[i] = 'B'
		} else {
			text[i] = 'A'
		}
		return string(text)
	}
	for name, value := range map[string]string{
		"empty": "", "truncated": good[:len(good)/2], "one byte shorter": good[:len(good)-1], "longer": good + "A", "padded": good + "=",
		"first byte": flip(0), "last byte": flip(len(good) - 1), "in the middle": flip(len(good) / 2),
		"not base64": "!!!", "plain": "eyJzdWIiOiJhbGljZSJ9", "a flow's": flowText, "huge": strings.Repeat("A", 60000),
	} {
		thief := w.browser()
		thief.cookies["app.example"] = map[string]string{sessionCookie: value}
		if a := thief.send("GET", home+"/", script); a.status != 401 || a.reason != authz.InvalidCredential {
			t.Errorf("%s: %d %s", name, a.status, a.reason)
		} else if strings.Contains(a.body+a.cause, good[:20]) {
			t.Errorf("%s: the answer repeats the cookie", name)
		}
		if thief.count(sessionCookie) != 0 {
			t.Errorf("%s: the cookie is kept", name)
		}
		if a := thief.open(home + "/"); !a.granted {
			t.Errorf("%s: the person cannot log in again: %d %s", name, a.status, a.reason)
		}
	}
	twice := map[string]string{"cookie": sessionCookie + "=" + good + "; " + sessionCookie + "=x", "accept": "*/*"}
	if a := w.browser().send("GET", home+"/", twice); a.reason != authz.MalformedRequest {
		t.Errorf("two session cookies: %s", a.reason)
	}
}

func TestSessionsBelongToOneHostSourceAndPurpose(t *testing.T) {
	w := newWorld(t)
	b := w.loggedIn()
	name, value := b.cookie(sessionCookie)
	b.cookies["other.example"] = map[string]string{name: value}
	if a := b.send("GET", "https://other.example/", script); a.reason != authz.InvalidCredential {
		t.Errorf("on another host: %s", a.reason)
	}
	moved := w.options() // another provider takes over the name
	moved.Issuer = newProvider(t, w.clock).URL
	w.use(moved)
	if a := w.with(name, value); a.reason != authz.InvalidCredential {
		t.Errorf("as another provider's: %s", a.reason)
	}
	moved = w.options()
	moved.ClientID = "other"
	w.use(moved)
	if a := w.with(name, value); a.reason != authz.InvalidCredential {
		t.Errorf("as another client's: %s", a.reason)
	}
	partner := w.options()
	partner.Name = "partner"
	w.use(partner)
	b.cookies["app.example"] = map[string]string{"__Host-privyseal-session-partner": value}
	if a := b.send("GET", home+"/", script); a.reason != authz.InvalidCredential {
		t.Errorf("as another source's: %s", a.reason)
	}
}

// with makes a request that carries one cookie.
func (w *world) with(name, value string) answer {
	w.t.Helper()
	b := w.browser()
	b.cookies["app.example"] = map[string]string{name: value}
	return b.send("GET", home+"/", script)
}

func TestCookieSecretsRotate(t *testing.T) {
	w := newWorld(t)
	b := w.loggedIn()
	next := strings.Repeat("fedcba98", 4)
	o := w.options()
	o.CookieSecrets = []string{next, cookieSecret}
	w.use(o)
	if a := b.send("GET", home+"/", script); !a.granted {
		t.Errorf("sealed with the older secret: %s", a.reason)
	}
	c := w.loggedIn()
	o.CookieSecrets = []string{next}
	w.use(o)
	if a := c.send("GET", home+"/", script); !a.granted {
		t.Errorf("sealed with the newer secret: %s", a.reason)
	}
	if a := b.send("GET", home+"/", script); a.reason != authz.InvalidCredential {
		t.Errorf("sealed with a secret that is gone: %s", a.reason)
	}
}

// Everything that can be wrong with the answer of a provider, as the browser
// brings it.
func TestCallbackInjection(t *testing.T) {
	w := newWorld(t)
	victim := w.browser()
	callback, _ := url.Parse(victim.begin(home + "/"))
	other := w.browser()
	attackers, _ := url.Parse(other.begin(home + "/"))
	edit := func(f func(url.Values)) string {
		u := *callback
		q := u.Query()
		f(q)
		u.RawQuery = q.Encode()
		return u.String()
	}
	state := callback.Query().Get("state")
	for name, test := range map[string]struct {
		url    string
		reason authz.Reason
	}{
		"no state":              {edit(func(q url.Values) { q.Del("state") }), authz.LoginFailed},
		"another's state":       {edit(func(q url.Values) { q.Set("state", attackers.Query().Get("state")) }), authz.LoginFailed},
		"a changed secret":      {edit(func(q url.Values) { q.Set("state", state[:len(state)-2]+"xx") }), authz.LoginFailed},
		"truncated state":       {edit(func(q url.Values) { q.Set("state", state[:len(state)/2]) }), authz.LoginFailed},
		"oversized state":       {edit(func(q url.Values) { q.Set("state", state+strings.Repeat("x", 9000)) }), authz.LoginFailed},
		"state names no source": {edit(func(q url.Values) { q.Set("state", "nobody"+state[4:]) }), authz.LoginFailed},
		"state is a cookie":     {edit(func(q url.Values) { q.Set("state", "corp.x;y=z.secret") }), authz.LoginFailed},
		"two states":            {callback.String() + "&state=x", authz.MalformedRequest},
		"two codes":             {callback.String() + "&code=x", authz.MalformedRequest},
		"oversized query":       {callback.String() + "&x=" + strings.Repeat("x", 20000), authz.MalformedRequest},
		"bad escape":            {callback.String() + "&x=%zz", authz.MalformedRequest},
	} {
		b := victim.copied()
		a := b.send("GET", test.url, navigation)
		if a.reason != test.reason || b.count(sessionCookie) != 0 {
			t.Errorf("%s: %d %s (%s)", name, a.status, a.reason, a.cause)
		}
		if strings.Contains(a.body, state) {
			t.Errorf("%s: the page repeats the state", name)
		}
	}
	for name, test := range map[string]struct {
		url    string
		reason authz.Reason
	}{
		"no code":            {edit(func(q url.Values) { q.Del("code") }), authz.LoginFailed},
		"an invented code":   {edit(func(q url.Values) { q.Set("code", "invented") }), authz.LoginFailed},
		"an attacker's code": {edit(func(q url.Values) { q.Set("code", attackers.Query().Get("code")) }), authz.LoginFailed},
		"an error":           {edit(func(q url.Values) { q.Del("code"); q.Set("error", "access_denied<script>") }), authz.LoginFailed},
		"a server's error":   {edit(func(q url.Values) { q.Del("code"); q.Set("error", "server_error") }), authz.SourceUnavailable},
		"another's iss":      {edit(func(q url.Values) { q.Set("iss", "https://evil.example") }), authz.LoginFailed},
	} {
		b := victim.copied()
		a := b.send("GET", test.url, navigation)
		if a.reason != test.reason || b.count(sessionCookie) != 0 {
			t.Errorf("%s: %d %s (%s)", name, a.status, a.reason, a.cause)
		}
		if b.count(flowCookie) != 0 {
			t.Errorf("%s: the attempt can be used again", name)
		}
		if strings.Contains(a.body, "<script>") || strings.Contains(a.body+a.cause, "secret detail") {
			t.Errorf("%s: %s\n%s", name, a.cause, a.body)
		}
	}
	if a := victim.send("POST", callback.String(), navigation); a.reason != authz.LoginFailed {
		t.Errorf("a form: %s", a.reason)
	}
	if a := victim.send("GET", callback.String(), navigation); a.status != 303 {
		t.Errorf("the true answer: %d %s (%s)", a.status, a.reason, a.cause)
	}
}

// An attacker who plants his own answer in a victim's browser does not log the
// victim in as himself.
func TestLoginCSRF(t *testing.T) {
	w := newWorld(t)
	attacker, victim := w.browser(), w.browser()
	callback := attacker.begin(home + "/")
	if a := victim.send("GET", callback, navigation); a.reason != authz.LoginFailed || victim.count(sessionCookie) != 0 {
		t.Errorf("without an attempt: %d %s", a.status, a.reason)
	}
	victim.begin(home + "/")
	if a := victim.send("GET", callback, navigation); a.reason != authz.LoginFailed || victim.count(sessionCookie) != 0 {
		t.Errorf("with another attempt: %d %s", a.status, a.reason)
	}
}

func TestCallbackIsUsedOnce(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	callback := b.begin(home + "/")
	thief := b.copied()
	if a := b.send("GET", callback, navigation); a.status != 303 {
		t.Fatal(a.reason)
	}
	if a := thief.send("GET", callback, navigation); a.reason != authz.LoginFailed || thief.count(sessionCookie) != 0 {
		t.Errorf("replayed: %d %s", a.status, a.reason)
	}
	// Also with a provider that takes codes twice.
	thief = b.copied()
	callback = thief.begin(home + "/.privyseal/login?source=corp")
	u, _ := url.Parse(callback)
	w.op.set(func() {
		asked := w.op.codes[u.Query().Get("code")]
		w.op.idToken = func(map[string]any) { w.op.codes[u.Query().Get("code")] = asked }
	})
	again := thief.copied()
	if a := thief.send("GET", callback, navigation); a.status != 303 {
		t.Fatal(a.reason, a.cause)
	}
	delete(again.cookies["app.example"], sessionCookie)
	if a := again.send("GET", callback, navigation); a.reason != authz.LoginFailed || again.count(sessionCookie) != 0 {
		t.Errorf("replayed with a lax provider: %d %s", a.status, a.reason)
	}
}

func TestFlowsEnd(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	callback := b.begin(home + "/")
	w.clock.advance(11 * time.Minute)
	if a := b.send("GET", callback, navigation); a.reason != authz.LoginFailed || b.count(sessionCookie) != 0 {
		t.Errorf("%d %s", a.status, a.reason)
	}
}

func TestFlowsBelongToOneHost(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	callback := b.begin(home + "/")
	b.cookies["other.example"] = b.cookies["app.example"]
	if a := b.send("GET", strings.Replace(callback, "app.example", "other.example", 1), navigation); a.reason != authz.LoginFailed {
		t.Errorf("%d %s", a.status, a.reason)
	}
}

func TestSessionFixation(t *testing.T) {
	w := newWorld(t)
	b := w.loggedIn()
	attacker := b.copied()
	before := b.cookies["app.example"][sessionCookie]
	a := b.open(home + "/.privyseal/login?source=corp") // logs in again
	if !a.granted || b.cookies["app.example"][sessionCookie] == before {
		t.Fatalf("%+v", a)
	}
	if a := attacker.send("GET", home+"/", script); a.reason != authz.ExpiredCredential {
		t.Errorf("the session before the login: %d %s", a.status, a.reason)
	}
}

// A malicious provider must not get the code that an honest one gave for it
// (RFC 9700 section 4.4).
func TestMixUpBetweenProviders(t *testing.T) {
	w := newWorld(t)
	honest, evil := w.options(), w.options()
	other := newProvider(t, w.clock)
	evil.Name, evil.Issuer = "partner", other.URL
	w.use(honest, evil)
	mixed := func(honestNamesItself bool) answer {
		w.op.set(func() { w.op.namesItself = honestNamesItself })
		b := w.browser()
		a := b.send("GET", home+"/.privyseal/login?source=partner", navigation)
		if a.status != 303 {
			t.Fatalf("%d %s (%s)", a.status, a.reason, a.cause)
		}
		// The evil provider sends the browser on to the honest one.
		return b.send("GET", b.follow(home, strings.Replace(a.location, other.URL, w.op.URL, 1)), navigation)
	}
	for _, names := range []bool{true, false} {
		if a := mixed(names); a.reason != authz.LoginFailed {
			t.Errorf("honest provider names itself %v: %d %s (%s)", names, a.status, a.reason, a.cause)
		}
	}
	if n := other.count("/token"); n != 0 {
		t.Error("the evil provider was given the code")
	}
}

// With redirect paths of their own, providers need not name themselves.
func TestRedirectPathsTellProvidersApart(t *testing.T) {
	w := newWorld(t)
	honest, evil := w.options(), w.options()
	other := newProvider(t, w.clock)
	evil.Name, evil.Issuer, evil.RedirectPath = "partner", other.URL, "/.privyseal/callback/partner"
	w.use(honest, evil)
	b := w.browser()
	a := b.send("GET", home+"/.privyseal/login?source=partner", navigation)
	atHonest := strings.Replace(strings.Replace(a.location, other.URL, w.op.URL, 1), "callback%2Fpartner", "callback", 1)
	if a := b.send("GET", b.follow(home, atHonest), navigation); a.reason != authz.LoginFailed || other.count("/token") != 0 {
		t.Errorf("an answer at another source's path: %d %s (%s)", a.status, a.reason, a.cause)
	}
	for _, source := range []string{"corp", "partner"} {
		if a := w.browser().open(home + "/.privyseal/login?source=" + source); !a.granted || a.identity.Source != source {
			t.Errorf("%s: %d %s (%s)", source, a.status, a.reason, a.cause)
		}
	}
}

func TestProviderThatAlwaysNamesItself(t *testing.T) {
	w := worldOf(t, func(p *provider) { p.namesItself = true })
	b := w.browser()
	callback := b.begin(home + "/")
	u, _ := url.Parse(callback)
	q := u.Query()
	q.Del("iss")
	u.RawQuery = q.Encode()
	if a := b.copied().send("GET", u.String(), navigation); a.reason != authz.LoginFailed {
		t.Errorf("an answer without iss: %d %s", a.status, a.reason)
	}
	if a := b.send("GET", callback, navigation); a.status != 303 {
		t.Errorf("%d %s (%s)", a.status, a.reason, a.cause)
	}
}

func TestChooser(t *testing.T) {
	w := newWorld(t)
	one, two := w.options(), w.options()
	two.Name, two.RedirectPath, two.Hosts = "partner", "/.privyseal/callback/partner", []string{"*.example", "b.test"}
	one.Hosts = []string{"app.example", "a.test"}
	w.use(one, two)
	a := w.browser().send("GET", home+"/orders", navigation)
	if a.status != 401 || !strings.Contains(a.body, "/.privyseal/login?return=%2Forders&amp;source=corp") || !strings.Contains(a.body, "source=partner") {
		t.Errorf("both: %d %s", a.status, a.body)
	}
	for host, source := range map[string]string{"a.test": "corp", "b.test": "partner", "x.y.example": "partner"} {
		if a := w.browser().open("https://" + host + "/"); !a.granted || a.identity.Source != source {
			t.Errorf("%s: %d %s %s", host, a.status, a.reason, a.identity.Source)
		}
	}
	if a := w.browser().send("GET", "https://c.test/", navigation); a.status != 403 || a.location != "" {
		t.Errorf("a host that none serves: %d", a.status)
	}
}

// Whatever a provider's token says wrong, nobody is logged in.
func TestLyingProvider(t *testing.T) {
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string, value any) func(*provider) {
		return func(p *provider) {
			p.idToken = func(claims map[string]any) {
				if claims[name] = value; value == nil {
					delete(claims, name)
				}
			}
		}
	}
	for name, lie := range map[string]func(*provider){
		"another nonce":        claim("nonce", "other"),
		"no nonce":             claim("nonce", nil),
		"another audience":     claim("aud", "other"),
		"no audience":          claim("aud", nil),
		"another issuer":       claim("iss", "https://evil.example"),
		"expired":              claim("exp", 1000),
		"no expiry":            claim("exp", nil),
		"from the future":      claim("iat", 4000000000),
		"for another party":    claim("azp", "other"),
		"several, and no azp":  claim("aud", []string{"privyseal", "other"}),
		"another access token": claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"no subject":           claim("sub", nil),
		"empty subject":        claim("sub", ""),
		"numeric subject":      claim("sub", 7),
		"control character":    claim("sub", "alice\x00"),
		"long subject":         claim("sub", strings.Repeat("a", 256)),
		"a stranger's key":     func(p *provider) { p.signWith = stranger },
		"no ID token":          func(p *provider) { p.beforeAnswer = says("/token", 200, `{"access_token":"a","token_type":"Bearer"}`) },
	} {
		w := worldOf(t, lie)
		b := w.browser()
		a := b.open(home + "/")
		if a.reason != authz.LoginFailed || a.status != 400 || b.count(sessionCookie) != 0 {
			t.Errorf("%s: %d %s (%s)", name, a.status, a.reason, a.cause)
		}
	}
}

func TestUnavailableProvider(t *testing.T) {
	for name, test := range map[string]func(*provider){
		"down":             func(p *provider) { p.Server.CloseClientConnections(); p.Server.Listener.Close() },
		"500 at discovery": func(p *provider) { p.beforeAnswer = failing("/.well-known/openid-configuration") },
		"500 at token":     func(p *provider) { p.beforeAnswer = says("/token", 500, "") },
		"endless":          func(p *provider) { p.discovery = func(d map[string]any) { d["x"] = strings.Repeat("x", 70<<10) } },
		"endless token":    func(p *provider) { p.idToken = func(c map[string]any) { c["x"] = strings.Repeat("x", 60<<10) } },
		"not JSON":         func(p *provider) { p.beforeAnswer = says("/.well-known/openid-configuration", 200, "<html>") },
		"token not JSON":   func(p *provider) { p.beforeAnswer = says("/token", 200, "<html>") },
		"redirect":         func(p *provider) { p.beforeAnswer = says("/token", 302, "") },
		"another issuer":   func(p *provider) { p.discovery = func(d map[string]any) { d["issuer"] = "https://evil.example" } },
		"no endpoint":      func(p *provider) { p.discovery = func(d map[string]any) { delete(d, "token_endpoint") } },
		"open network": func(p *provider) {
			p.discovery = func(d map[string]any) { d["token_endpoint"] = "http://evil.example/token" }
		},
		"a script": func(p *provider) {
			p.discovery = func(d map[string]any) { d["authorization_endpoint"] = "javascript:alert(1)" }
		},
		"no PKCE": func(p *provider) {
			p.discovery = func(d map[string]any) { d["code_challenge_methods_supported"] = []string{"plain"} }
		},
		"no keys": func(p *provider) { p.beforeAnswer = says("/jwks", 500, "") },
	} {
		t.Run(name, func(t *testing.T) {
			w := worldOf(t, test)
			b := w.browser()
			a := b.open(home + "/")
			if a.reason != authz.SourceUnavailable || a.status != 503 || b.count(sessionCookie) != 0 {
				t.Errorf("%d %s (%s)", a.status, a.reason, a.cause)
			}
			atToken := strings.Contains(name, "token") || name == "redirect" || name == "no keys"
			if sent := w.op.count("/authorize") > 0; sent != atToken {
				t.Errorf("the browser was sent to the provider: %v", sent)
			}
		})
	}
}

func TestSlowProviderKeepsNobodyWaiting(t *testing.T) {
	release := make(chan struct{})
	w := worldOf(t, func(p *provider) { p.beforeAnswer = slow("/.well-known/openid-configuration", release) })
	b := w.browser()
	b.within = 60 * time.Millisecond
	if a := b.send("GET", home+"/", navigation); a.status != 503 || a.reason != authz.SourceUnavailable {
		t.Errorf("%d %s (%s)", a.status, a.reason, a.cause)
	}
	close(release)
	b.within = 0
	if a := b.open(home + "/"); !a.granted {
		t.Errorf("afterwards: %d %s (%s)", a.status, a.reason, a.cause)
	}
}

func TestProviderDownDuringSessions(t *testing.T) {
	w := newWorld(t)
	b := w.loggedIn()
	w.op.set(func() { w.op.beforeAnswer = says("/token", 503, "") })
	w.clock.advance(w.op.accessLife * 9 / 10)
	if a := b.send("GET", home+"/", script); !a.granted {
		t.Errorf("while the session need not be renewed yet: %d %s", a.status, a.reason)
	}
	w.clock.advance(w.op.accessLife)
	if a := b.send("GET", home+"/", script); a.status != 503 || a.reason != authz.SourceUnavailable {
		t.Errorf("when it must be: %d %s", a.status, a.reason)
	}
	w.op.set(func() { w.op.beforeAnswer = nil })
	w.clock.advance(3 * time.Second)
	if a := b.send("GET", home+"/", script); !a.granted {
		t.Errorf("when the provider is back: %d %s (%s)", a.status, a.reason, a.cause)
	}
}

func TestKidFlood(t *testing.T) {
	w := newWorld(t)
	b := w.loggedIn() // the keys are known
	fetched := w.op.count("/jwks")
	for range 20 {
		w.op.set(func() { w.op.signKid = rand.Text() })
		c := w.browser()
		if a := c.open(home + "/"); a.reason != authz.LoginFailed {
			t.Fatalf("%d %s (%s)", a.status, a.reason, a.cause)
		}
	}
	if n := w.op.count("/jwks") - fetched; n > 1 {
		t.Errorf("%d fetches of keys", n)
	}
	if a := b.send("GET", home+"/", script); !a.granted {
		t.Error("others are disturbed")
	}
}

func TestHiddenFromLogs(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	callback := b.begin(home + "/")
	w.op.set(func() {
		w.op.beforeAnswer = says("/token", http.StatusBadRequest, `{"error":"bad `+clientSecret+`","error_description":"`+clientSecret+`"}`)
	})
	a := b.send("GET", callback, navigation)
	u, _ := url.Parse(callback)
	for _, secret := range []string{u.Query().Get("code"), u.Query().Get("state"), cookieSecret} {
		if slices.ContainsFunc([]string{a.body, a.cause}, func(s string) bool { return strings.Contains(s, secret) }) {
			t.Errorf("%s\n%s", a.cause, a.body)
		}
	}
	if a.reason != authz.LoginFailed {
		t.Error(a.reason)
	}
}
