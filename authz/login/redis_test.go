package login_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"privyseal/authz"
	"privyseal/authz/login"
)

// stored is a world whose sessions are in a Redis server.
func stored(t *testing.T) (*world, *login.RedisServer) {
	t.Helper()
	server := login.StartRedis(t)
	return newWorld(t, func(o *login.Source) { o.Session.Store = server.Address() }), server
}

// replica is another process with the same configuration.
func (w *world) replica(server *login.RedisServer) *world {
	w.t.Helper()
	other := &world{t: w.t, clock: w.clock, op: w.op, judge: w.judge}
	other.memory = login.NewMemory(login.MemoryOptions{Now: w.clock.Now})
	w.t.Cleanup(other.memory.Close)
	o := w.options()
	o.Session.Store = server.Address()
	other.use(o)
	return other
}

// at is the same browser whose requests reach another replica.
func (b *browser) at(w *world) *browser {
	other := *b
	other.w = w
	return &other
}

func TestStoredSessions(t *testing.T) {
	w, server := stored(t)
	w.op.user["groups"] = manyGroups(300) // more than a cookie holds
	b := w.loggedIn()
	if a := b.send("GET", home+"/", script); !a.granted || a.identity.Subject != "alice" {
		t.Fatalf("%d %s (%s)", a.status, a.reason, a.cause)
	}
	other := w.replica(server)
	if a := b.at(other).send("GET", home+"/", script); !a.granted {
		t.Errorf("at another replica: %d %s (%s)", a.status, a.reason, a.cause)
	}
	thief := b.copied()
	a := b.at(other).send("POST", home+"/.privyseal/logout", fromOurPage)
	if a.status != 303 || !strings.Contains(a.location, "id_token_hint=ey") {
		t.Errorf("logout: %d %s", a.status, a.location)
	}
	if n := server.Count(t, "*:session:*"); n != 0 {
		t.Errorf("%d sessions are left in the store", n)
	}
	if a := thief.send("GET", home+"/", script); a.reason != authz.ExpiredCredential {
		t.Errorf("a copy of the cookie after a logout at another replica: %d %s", a.status, a.reason)
	}
}

func TestStoredSessionsAreBounded(t *testing.T) {
	w, server := stored(t)
	w.op.user["groups"] = manyGroups(1000)
	if a := w.browser().open(home + "/"); a.reason != authz.SessionTooLarge {
		t.Errorf("%d %s (%s)", a.status, a.reason, a.cause)
	}
	if n := server.Count(t, "*:session:*"); n != 0 {
		t.Errorf("%d sessions were stored", n)
	}
}

// Whoever reads the store learns no session id, no token and no name.
func TestStoreHoldsNothingReadable(t *testing.T) {
	w, server := stored(t)
	b := w.loggedIn()
	conn, err := redis.Dial("tcp", "127.0.0.1:"+server.Port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	keys, err := redis.Strings(conn.Do("KEYS", "*"))
	if err != nil || len(keys) < 2 {
		t.Fatalf("%q, %v", keys, err)
	}
	_, cookie := b.cookie(sessionCookie)
	for _, key := range keys {
		value, err := redis.String(conn.Do("GET", key))
		if err != nil {
			t.Fatal(err)
		}
		life, err := redis.Int(conn.Do("PTTL", key))
		if err != nil || life <= 0 {
			t.Errorf("%s lives for %d ms, %v", key, life, err)
		}
		for _, secret := range []string{"alice", "staff", "eyJ", "op-session", cookie} {
			if strings.Contains(key+value, secret) {
				t.Errorf("%s = %s holds %s", key, value, secret)
			}
		}
	}
	// And cannot make a session: another one's value does not fit the key.
	c := w.loggedIn()
	var sessions []string
	keys, err = redis.Strings(conn.Do("KEYS", "*:session:*"))
	if err != nil || len(keys) != 2 {
		t.Fatalf("%q, %v", keys, err)
	}
	for _, key := range keys {
		value, _ := redis.String(conn.Do("GET", key))
		sessions = append(sessions, value)
	}
	conn.Do("SET", keys[0], sessions[1])
	conn.Do("SET", keys[1], sessions[0])
	for _, each := range []*browser{b, c} {
		if a := each.send("GET", home+"/", script); a.reason != authz.ExpiredCredential {
			t.Errorf("a swapped session: %d %s", a.status, a.reason)
		}
	}
}

func TestReplicasRenewOnce(t *testing.T) {
	for _, rotates := range []bool{true, false} {
		w, server := stored(t)
		w.op.set(func() { w.op.keepRefresh = !rotates })
		replicas := []*world{w, w.replica(server), w.replica(server)}
		b := w.loggedIn()
		asked := w.op.count("/token")
		w.clock.advance(w.op.accessLife + time.Second) // over: everybody waits for the renewal
		var all sync.WaitGroup
		for i := range 15 {
			tab := b.copied().at(replicas[i%3])
			all.Go(func() {
				if a := tab.send("GET", home+"/", script); !a.granted {
					t.Errorf("tab %d: %d %s (%s)", i, a.status, a.reason, a.cause)
				}
			})
		}
		all.Wait()
		if n := w.op.count("/token") - asked; n != 1 {
			t.Errorf("refresh tokens rotate %v: the provider was asked %d times", rotates, n)
		}
	}
}

func TestStoredSessionsAreRenewedOffTheRequestPath(t *testing.T) {
	w, _ := stored(t)
	b := w.loggedIn()
	release := make(chan struct{})
	w.op.set(func() { w.op.beforeAnswer = slow("/token", release) })
	asked := w.op.count("/token")
	w.clock.advance(w.op.accessLife * 9 / 10)
	if a := b.send("GET", home+"/", script); !a.granted { // does not wait
		t.Fatalf("%d %s (%s)", a.status, a.reason, a.cause)
	}
	close(release)
	w.clock.advance(w.op.accessLife / 2)
	if a := b.send("GET", home+"/", script); !a.granted { // joins what was begun
		t.Fatalf("%d %s (%s)", a.status, a.reason, a.cause)
	}
	if n := w.op.count("/token") - asked; n != 1 {
		t.Errorf("the provider was asked %d times", n)
	}
}

func TestStoredInvalidGrantEndsTheSession(t *testing.T) {
	w, server := stored(t)
	b := w.loggedIn()
	w.op.set(func() { w.op.refuseRefresh = "invalid_grant" })
	w.clock.advance(w.op.accessLife + time.Second)
	if a := b.copied().send("GET", home+"/", script); a.reason != authz.ExpiredCredential {
		t.Errorf("%d %s (%s)", a.status, a.reason, a.cause)
	}
	if a := b.at(w.replica(server)).send("GET", home+"/", script); a.reason != authz.ExpiredCredential {
		t.Errorf("at another replica: %d %s (%s)", a.status, a.reason, a.cause)
	}
}

// A renewal that ends after a logout does not bring the session back.
func TestRenewalDoesNotReviveASession(t *testing.T) {
	w, _ := stored(t)
	b := w.loggedIn()
	thief := b.copied()
	release := make(chan struct{})
	w.op.set(func() { w.op.beforeAnswer = slow("/token", release) })
	w.clock.advance(w.op.accessLife * 9 / 10)
	b.send("GET", home+"/", script)
	b.send("POST", home+"/.privyseal/logout", fromOurPage)
	close(release)
	w.clock.advance(w.op.accessLife)
	if a := thief.send("GET", home+"/", script); a.reason != authz.ExpiredCredential {
		t.Errorf("%d %s (%s)", a.status, a.reason, a.cause)
	}
}

// Nor does it bring back a session that the store has lost.
func TestRenewalDoesNotReviveALostSession(t *testing.T) {
	w, server := stored(t)
	b := w.loggedIn()
	conn, err := redis.Dial("tcp", "127.0.0.1:"+server.Port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w.op.set(func() {
		w.op.idToken = func(map[string]any) { // while the provider answers
			keys, _ := redis.Strings(conn.Do("KEYS", "*:session:*"))
			if n, err := redis.Int(conn.Do("DEL", redis.Args{}.AddFlat(keys)...)); n != 1 || err != nil {
				t.Errorf("%d sessions lost, %v", n, err)
			}
		}
	})
	w.clock.advance(w.op.accessLife + time.Second)
	for range 2 {
		if a := b.copied().send("GET", home+"/", script); a.reason != authz.ExpiredCredential {
			t.Errorf("%d %s (%s)", a.status, a.reason, a.cause)
		}
	}
}

func TestBackChannelLogoutReachesEveryReplica(t *testing.T) {
	w, server := stored(t)
	b := w.loggedIn()
	other := w.replica(server)
	w.clock.advance(time.Second)
	token := "logout_token=" + w.op.logoutToken(nil)
	if status := other.post(backChannel, token); status != 200 {
		t.Fatal(status)
	}
	if a := b.send("GET", home+"/", script); a.reason != authz.ExpiredCredential {
		t.Errorf("%d %s", a.status, a.reason)
	}
	if status := w.post(backChannel, token); status != 400 {
		t.Errorf("replayed at another replica: %d", status)
	}
}

func TestStoreDown(t *testing.T) {
	w, server := stored(t)
	b := w.loggedIn()
	server.Kill()
	if a := b.send("GET", home+"/", navigation); a.status != 503 || a.reason != authz.SourceUnavailable || a.location != "" {
		t.Errorf("%d %s %s (%s)", a.status, a.reason, a.location, a.cause)
	}
	if b.count(sessionCookie) != 1 {
		t.Error("the cookie was taken away")
	}
	if status := w.post(backChannel, "logout_token="+w.op.logoutToken(nil)); status != 503 {
		t.Errorf("a logout that cannot be noted: %d", status)
	}
	server.Start(t)
	if a := b.send("GET", home+"/", navigation); !a.granted {
		t.Errorf("when the store is back: %d %s (%s)", a.status, a.reason, a.cause)
	}
}

// A session whose login was answered survives a crash of the store, and nobody
// is sent round in circles meanwhile.
func TestStoreRestartsUnderLoad(t *testing.T) {
	w, server := stored(t)
	people := make([]*browser, 8)
	var all sync.WaitGroup
	stop := make(chan struct{})
	for i := range people {
		people[i] = w.loggedIn()
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				a := people[i].send("GET", home+"/"+fmt.Sprint(n), script)
				if !a.granted && a.status != 503 {
					t.Errorf("%d %s (%s)", a.status, a.reason, a.cause)
					return
				}
			}
		})
	}
	server.Kill()
	server.Start(t)
	close(stop)
	all.Wait()
	for i, b := range people {
		if a := b.send("GET", home+"/", script); !a.granted {
			t.Errorf("person %d: %d %s (%s)", i, a.status, a.reason, a.cause)
		}
	}
}
