package verify_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"privyseal/authz/verify"
	"privyseal/authz/verify/verifytest"
)

// upstream stands for an issuer's server on a simulated clock: it answers by a
// function and notes when it was asked.
type upstream struct {
	mu     sync.Mutex
	answer func(*http.Request) (*http.Response, error)
	asked  []time.Time
}

func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	u.mu.Lock()
	u.asked = append(u.asked, time.Now())
	answer := u.answer
	u.mu.Unlock()
	return answer(r)
}

func (u *upstream) set(answer func(*http.Request) (*http.Response, error)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer = answer
}

func (u *upstream) times() []time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]time.Time(nil), u.asked...)
}

func (u *upstream) remote() *verify.KeySet {
	return verify.Remote("https://idp.example/keys", verify.Options{Client: &http.Client{Transport: u}})
}

func respond(status int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

func down(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

func publish(issuer *verifytest.Issuer, header ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return respond(200, string(issuer.KeySet()), header...)(r)
	}
}

func mustVerify(t *testing.T, keys *verify.KeySet, jws string) {
	t.Helper()
	if _, err := keys.Verify(t.Context(), jws); err != nil {
		t.Fatal(err)
	}
}

func mustFail(t *testing.T, keys *verify.KeySet, jws string, want error) {
	t.Helper()
	if _, err := keys.Verify(t.Context(), jws); !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// simulate runs a test on a simulated clock with an issuer that is made outside,
// because servers do not belong on that clock.
func simulate(t *testing.T, run func(t *testing.T, issuer *verifytest.Issuer, u *upstream)) {
	t.Helper()
	issuer := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		run(t, issuer, &upstream{answer: publish(issuer)})
	})
}

// A set is fetched again before it expires, and its life has bounds whatever the
// issuer says.
func TestRefreshAhead(t *testing.T) {
	for control, ttl := range map[string]time.Duration{
		"":                                   5 * time.Minute,
		"public":                             5 * time.Minute,
		"max-age=junk":                       5 * time.Minute,
		"public, max-age=600":                10 * time.Minute,
		"Max-Age=\"600\"":                    10 * time.Minute,
		"max-age=0":                          time.Minute,
		"no-cache":                           time.Minute,
		"max-age=1000000000":                 time.Hour,
		"max-age=99999999999999999999999999": time.Hour,
	} {
		t.Run(control, func(t *testing.T) {
			simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
				u.set(publish(issuer, "Cache-Control", control))
				keys := u.remote()
				defer keys.Close()
				time.Sleep(ttl)
				asked := u.times()
				if len(asked) != 2 {
					t.Fatalf("%d fetches within %v", len(asked), ttl)
				}
				if after := asked[1].Sub(asked[0]); after < ttl*7/10 || after > ttl*8/10 {
					t.Errorf("fetched again after %v of %v", after, ttl)
				}
			})
		})
	}
}

// Keys outlive an issuer that fails, for a day; then nothing can be said; then
// the issuer is back and so are we.
func TestStaleKeys(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		keys := u.remote()
		defer keys.Close()
		token := issuer.Sign(map[string]any{})
		mustVerify(t, keys, token)
		u.set(down)
		time.Sleep(23 * time.Hour)
		mustVerify(t, keys, token)
		if s := keys.Status(); s.Keys != 1 || !strings.Contains(s.LastError, "connection refused") {
			t.Errorf("status %+v", s)
		}
		time.Sleep(2 * time.Hour)
		mustFail(t, keys, token, verify.ErrUnavailable)
		if s := keys.Status(); s.Keys != 0 || keys.Contains(issuer.KeyID()) {
			t.Errorf("status %+v", s)
		}
		u.set(publish(issuer))
		time.Sleep(time.Minute)
		mustVerify(t, keys, token)
		if s := keys.Status(); s.LastError != "" || s.Keys != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

// An issuer that fails is asked again after 1 to 60 seconds, first soon, then
// less often.
func TestBackoff(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		u.set(down)
		keys := u.remote()
		defer keys.Close()
		time.Sleep(10 * time.Minute)
		asked := u.times()
		var longest time.Duration
		for i := range asked[1:] {
			gap := asked[i+1].Sub(asked[i])
			longest = max(longest, gap)
			if gap < time.Second || gap > time.Minute {
				t.Errorf("gap %d is %v", i, gap)
			}
		}
		if n := len(asked); n < 13 || n > 20 || longest < 45*time.Second {
			t.Errorf("%d attempts in 10 minutes, longest gap %v", n, longest)
		}
		// Callers are told at once; they do not start attempts.
		for range 100 {
			mustFail(t, keys, issuer.Sign(nil), verify.ErrUnavailable)
		}
		if len(u.times()) != len(asked) {
			t.Error("callers made fetches")
		}
	})
}

// Whoever makes up kids causes one fetch in 30 seconds, not more.
func TestUnknownKidFlood(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		u.set(publish(issuer, "Cache-Control", "max-age=3600"))
		keys := u.remote()
		defer keys.Close()
		good := issuer.Sign(nil)
		const seconds = 100
		for range seconds {
			for range 100 { // 10 000 in all
				jws := issuer.SignRaw(map[string]any{"alg": "ES256", "kid": rand.Text()}, nil)
				mustFail(t, keys, jws, verify.ErrUnknownKey)
			}
			mustVerify(t, keys, good)
			time.Sleep(time.Second)
		}
		asked := u.times()
		if want := 1 + (seconds+29)/30; len(asked) != want {
			t.Errorf("%d fetches, want %d", len(asked), want)
		}
		for i := 2; i < len(asked); i++ {
			if gap := asked[i].Sub(asked[i-1]); gap < 30*time.Second {
				t.Errorf("fetches %v apart", gap)
			}
		}
	})
}

// A client that goes on sending an old token does not cause fetch after fetch.
func TestAbsentKidIsRemembered(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		u.set(publish(issuer, "Cache-Control", "max-age=3600"))
		keys := u.remote()
		defer keys.Close()
		unknown := func(kid string) {
			mustFail(t, keys, issuer.SignRaw(map[string]any{"alg": "ES256", "kid": kid}, nil), verify.ErrUnknownKey)
		}
		for range 11 {
			unknown("old")
			time.Sleep(10 * time.Second)
		}
		if n := len(u.times()); n != 2 {
			t.Errorf("%d fetches for one kid in 110 seconds, want 1 + 1", n)
		}
		unknown("other")
		if n := len(u.times()); n != 3 {
			t.Errorf("%d fetches, want another one for another kid", n)
		}
		time.Sleep(time.Minute)
		unknown("old")
		if n := len(u.times()); n != 4 {
			t.Errorf("%d fetches, want another one after a while", n)
		}
	})
}

// What is remembered about unknown kids has a bound: made-up kids use up
// fetches, which are bounded too, and not memory.
func TestAbsentKidsAreBounded(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		u.set(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return publish(issuer, "Cache-Control", "max-age=3600")(r)
		})
		keys := u.remote()
		defer keys.Close()
		mustVerify(t, keys, issuer.Sign(nil))
		ask := func(n int) {
			var wg sync.WaitGroup
			for i := range n {
				jws := issuer.SignRaw(map[string]any{"alg": "ES256", "kid": fmt.Sprint("unknown", i)}, nil)
				wg.Go(func() { _, _ = keys.Verify(context.Background(), jws) })
			}
			wg.Wait()
			time.Sleep(31 * time.Second)
		}
		ask(1000)
		ask(1000)
		if n := len(u.times()); n != 2 {
			t.Errorf("%d fetches while all kids are remembered, want 2", n)
		}
		ask(1100)
		if n := len(u.times()); n != 3 {
			t.Errorf("%d fetches with kids to look for, want 3", n)
		}
		ask(1100)
		if n := len(u.times()); n != 4 {
			t.Errorf("%d fetches with kids that could not be remembered, want 4", n)
		}
		time.Sleep(2 * time.Minute) // the old ones make room
		ask(1)
		ask(1)
		if n := len(u.times()); n != 5 {
			t.Errorf("%d fetches for one kid after a while, want 5", n)
		}
	})
}

// A new key is found when its first token arrives, and an old one is gone when
// the issuer withdraws it.
func TestRotation(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		keys := u.remote()
		defer keys.Close()
		old, oldID := issuer.Sign(nil), issuer.KeyID()
		mustVerify(t, keys, old)
		issuer.Rotate()
		mustVerify(t, keys, issuer.Sign(nil))
		mustVerify(t, keys, old)
		issuer.Retire()
		time.Sleep(5 * time.Minute)
		if keys.Contains(oldID) || !keys.Contains(issuer.KeyID()) {
			t.Error("the set in use is not the issuer's")
		}
		mustFail(t, keys, old, verify.ErrUnknownKey)
		mustVerify(t, keys, issuer.Sign(nil))
	})
}

// A fetch that fails is repeated soon, and then finds the key.
func TestFailedFetchForUnknownKid(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		keys := u.remote()
		defer keys.Close()
		mustVerify(t, keys, issuer.Sign(nil))
		issuer.Rotate()
		u.set(down)
		mustFail(t, keys, issuer.Sign(nil), verify.ErrUnknownKey)
		u.set(publish(issuer))
		time.Sleep(2 * time.Second) // the retry of the failed fetch
		mustVerify(t, keys, issuer.Sign(nil))
	})
}

// A request's deadline ends its wait and not the fetch.
func TestCallerDeadline(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		u.set(func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(3 * time.Second):
				return publish(issuer)(r)
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		keys := u.remote()
		defer keys.Close()
		token := issuer.Sign(nil)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := keys.Verify(ctx, token)
		if !errors.Is(err, verify.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if waited := time.Since(began); waited != 200*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
		var wg sync.WaitGroup
		for range 50 { // all of them wait for the one fetch
			wg.Go(func() {
				if _, err := keys.Verify(context.Background(), token); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if waited := time.Since(began); waited != 3*time.Second || len(u.times()) != 1 {
			t.Errorf("ready after %v and %d fetches", waited, len(u.times()))
		}
	})
}

// An issuer that never answers costs 5 seconds per attempt and the keys stay.
func TestSlowIssuer(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		keys := u.remote()
		defer keys.Close()
		mustVerify(t, keys, issuer.Sign(nil))
		u.set(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		mustFail(t, keys, issuer.SignRaw(map[string]any{"alg": "ES256", "kid": "new"}, nil), verify.ErrUnknownKey)
		if waited := time.Since(began); waited != 5*time.Second {
			t.Errorf("waited %v", waited)
		}
		mustVerify(t, keys, issuer.Sign(nil))
	})
}

// The body counts as well: an answer that trickles is not waited for.
func TestTricklingBody(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		u.set(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, Body: io.NopCloser(trickle{r.Context()})}, nil
		})
		keys := u.remote()
		defer keys.Close()
		began := time.Now()
		mustFail(t, keys, issuer.Sign(nil), verify.ErrUnavailable)
		if waited := time.Since(began); waited > 6*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

type trickle struct{ ctx context.Context }

func (b trickle) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	if b.ctx.Err() != nil {
		return 0, b.ctx.Err()
	}
	return copy(p, " "), nil
}

// Of a body that is too long, no more is read than shows that.
func TestLongBodyIsNotRead(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		body := &io.LimitedReader{R: spaces{}, N: 4 << 20}
		u.set(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, Body: io.NopCloser(body)}, nil
		})
		keys := u.remote()
		defer keys.Close()
		mustFail(t, keys, issuer.Sign(nil), verify.ErrUnavailable)
		if read := 4<<20 - body.N; read > 2<<20 {
			t.Errorf("%d bytes read", read)
		}
	})
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// The tag of one address is not sent to another, where the issuer's document
// moved the set.
func TestTagStaysWithItsAddress(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		began := time.Now()
		var log []string
		u.set(func(r *http.Request) (*http.Response, error) {
			path := "/first"
			if time.Since(began) > 5*time.Minute {
				path = "/second"
			}
			if strings.HasPrefix(r.URL.Path, "/.well-known/") {
				return respond(200, `{"issuer":"https://idp.example","jwks_uri":"https://idp.example`+path+`"}`)(r)
			}
			log = append(log, r.URL.Path+r.Header.Get("If-None-Match"))
			return publish(issuer, "ETag", `"v1"`)(r)
		})
		keys := verify.Discover("https://idp.example", verify.Options{Client: &http.Client{Transport: u}})
		defer keys.Close()
		time.Sleep(9 * time.Minute)
		keys.Close()
		if got := strings.Join(log, " "); got != `/first /first"v1" /second` {
			t.Error(got)
		}
	})
}

// An issuer that answers 304 confirms the keys: they do not grow stale.
func TestNotModified(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		full := 0
		u.set(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("If-None-Match") == `"v1"` {
				return respond(304, "", "Cache-Control", "max-age=3600")(r)
			}
			full++
			return publish(issuer, "ETag", `"v1"`)(r)
		})
		keys := u.remote()
		defer keys.Close()
		time.Sleep(48 * time.Hour)
		mustVerify(t, keys, issuer.Sign(nil))
		if s := keys.Status(); full != 1 || s.LastError != "" || time.Since(s.LastSuccess) > time.Hour {
			t.Errorf("%d full answers, status %+v", full, s)
		}
	})
}

// 304 to a request without If-None-Match is an error, not an empty success.
func TestNotModifiedUnasked(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		u.set(respond(304, ""))
		keys := u.remote()
		defer keys.Close()
		mustFail(t, keys, issuer.Sign(nil), verify.ErrUnavailable)
	})
}

// The tag of a set that was not accepted is not sent: it would turn the next
// answer into "unchanged".
func TestTagOfBadSetIsForgotten(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		keys := u.remote()
		defer keys.Close()
		mustVerify(t, keys, issuer.Sign(nil))
		var tags []string
		u.set(func(r *http.Request) (*http.Response, error) {
			tags = append(tags, r.Header.Get("If-None-Match"))
			return respond(200, `{"keys":[]}`, "ETag", `"bad"`)(r)
		})
		time.Sleep(10 * time.Minute)
		keys.Close()
		for _, tag := range tags {
			if tag != "" {
				t.Errorf("sent %s", tag)
			}
		}
	})
}

// Close cancels a fetch under way and waits for it. Keys at hand still verify,
// nobody who asks hangs, and nothing is fetched any more.
func TestClose(t *testing.T) {
	simulate(t, func(t *testing.T, issuer *verifytest.Issuer, u *upstream) {
		keys := u.remote()
		token := issuer.Sign(nil)
		mustVerify(t, keys, token)
		keys.Close()
		keys.Close()
		mustVerify(t, keys, token)
		for i := range 3 {
			jws := issuer.SignRaw(map[string]any{"alg": "ES256", "kid": fmt.Sprint("unknown", i)}, nil)
			mustFail(t, keys, jws, verify.ErrUnknownKey)
			time.Sleep(time.Hour)
		}
		if s := keys.Status(); len(u.times()) != 1 || !s.NextFetch.IsZero() {
			t.Errorf("%d fetches, status %+v", len(u.times()), s)
		}

		u.set(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		waiting := u.remote()
		synctest.Wait()
		waiting.Close()
		mustFail(t, waiting, token, verify.ErrUnavailable)
		if time.Since(began) != 0 {
			t.Error("the fetch was not cancelled")
		}
	})
}
