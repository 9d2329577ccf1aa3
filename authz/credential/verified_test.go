package credential_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"privyseal/authz"
	"privyseal/authz/credential"
	"privyseal/authz/verify"
)

// clocked is a source whose clock the test moves.
type clocked struct {
	*issuer
	now   time.Time
	env   credential.Env
	place authz.Authenticator
}

func newClocked(t *testing.T) *clocked {
	c := &clocked{issuer: newIssuer(t, "https://idp.example"), now: now}
	c.env = env(c.issuer)
	c.env.Now = func() time.Time { return c.now }
	c.place = only(t, c.env, jwtSources(c.jwt("corp")))
	return c
}

func TestVerifiedOnce(t *testing.T) {
	c := newClocked(t)
	r := withBearer(c.token(c.claims()))
	first := expect(t, c.place, r, authz.Allowed)
	if second := expect(t, c.place, r, authz.Allowed); second != first || c.asked != 1 {
		t.Errorf("verified %d times, want 1", c.asked)
	}
	c.now = now.Add(credential.MaxCached)
	if expect(t, c.place, r, authz.Allowed); c.asked != 2 {
		t.Errorf("verified %d times after %v, want 2", c.asked, credential.MaxCached)
	}
}

func TestCachedTokenStillExpires(t *testing.T) {
	c := newClocked(t)
	r := withBearer(c.token(c.claims().with("exp", now.Add(time.Minute).Unix())))
	expect(t, c.place, r, authz.Allowed)
	c.now = now.Add(time.Minute - time.Nanosecond)
	expect(t, c.place, r, authz.Allowed)
	c.now = now.Add(time.Minute)
	expect(t, c.place, r, authz.ExpiredCredential)
}

func TestCachedTokenGoesWithItsKey(t *testing.T) {
	c := newClocked(t)
	r := withBearer(c.token(c.claims()))
	expect(t, c.place, r, authz.Allowed)
	held := c.env.Cache.Bytes()
	c.gone[c.kid("ec")] = true
	expect(t, c.place, r, authz.InvalidCredential)
	if left := c.env.Cache.Bytes(); left >= held {
		t.Errorf("the cache still holds %d bytes of %d", left, held)
	}
	c.gone[c.kid("ec")] = false
	if expect(t, c.place, r, authz.Allowed); c.asked != 3 {
		t.Errorf("verified %d times, want 3: once more when the key is back", c.asked)
	}
}

// A token that names no key is verified every time: nothing would tell when the
// key has left the set.
func TestTokenWithoutKeyIDIsNotCached(t *testing.T) {
	c := newClocked(t)
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(c.jwks(t), &set); err != nil {
		t.Fatal(err)
	}
	set.Keys = set.Keys[:1] // a token may leave out the kid of an only key
	single, err := verify.Static(mustJSON(map[string]any{"keys": set.Keys}))
	if err != nil {
		t.Fatal(err)
	}
	c.keys = anyKey{single}
	r := withBearer(c.sign(map[string]any{"alg": "ES256"}, mustJSON(c.claims())))
	expect(t, c.place, r, authz.Allowed)
	if expect(t, c.place, r, authz.Allowed); c.asked != 2 || c.env.Cache.Bytes() != 0 {
		t.Errorf("verified %d times, want 2; cache holds %d bytes", c.asked, c.env.Cache.Bytes())
	}
}

// anyKey contains every kid.
type anyKey struct{ credential.KeySet }

func (anyKey) Contains(string) bool { return true }

func TestBadTokensAreNotCached(t *testing.T) {
	c := newClocked(t)
	other := newIssuer(t, c.url)
	for i := range 100 {
		_, _ = authenticate(c.place, withBearer(other.token(c.claims().with("sub", fmt.Sprint(i)))))
		_, _ = authenticate(c.place, withBearer(c.token(c.claims().with("aud", fmt.Sprint(i)))))
	}
	if n := c.env.Cache.Bytes(); n != 0 {
		t.Errorf("the cache holds %d bytes of tokens that were refused", n)
	}
}

// A source finds only what a source with its own options verified.
func TestChangedOptionsVerifyAgain(t *testing.T) {
	c := newClocked(t)
	r := withBearer(c.token(c.claims()))
	expect(t, c.place, r, authz.Allowed)
	same := only(t, c.env, jwtSources(c.jwt("corp")))
	if expect(t, same, r, authz.Allowed); c.asked != 1 {
		t.Errorf("verified %d times, want 1: a reload without changes", c.asked)
	}
	narrow := c.jwt("corp")
	narrow.Audiences = []string{"api-v2"}
	expect(t, only(t, c.env, jwtSources(narrow)), r, authz.InvalidCredential)
}

func TestWithoutCache(t *testing.T) {
	c := newClocked(t)
	c.env.Cache = nil
	a, r := only(t, c.env, jwtSources(c.jwt("corp"))), withBearer(c.token(c.claims()))
	expect(t, a, r, authz.Allowed)
	if expect(t, a, r, authz.Allowed); c.asked != 2 {
		t.Errorf("verified %d times, want 2", c.asked)
	}
}

// A token that was seen before costs the note that its header is to be hidden,
// and little else.
func TestCachedTokenAllocatesLittle(t *testing.T) {
	c := newClocked(t)
	ctx, r := context.Background(), withBearer(c.token(c.claims().with("groups", []string{"a", "b", "c"})))
	expect(t, c.place, r, authz.Allowed)
	const budget = 3 // the effects, their list of hidden headers, the token's bytes to hash
	if n := testing.AllocsPerRun(100, func() {
		if _, err := c.place.Authenticate(ctx, r, &authz.Effects{}); err != nil {
			t.Fatal(err)
		}
	}); n > budget {
		t.Errorf("%v allocations, budget %d", n, budget)
	}
}
