package keys

import (
	"bytes"
	"container/heap"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// simulation is a service with its store, its load balancer, caches and
// verifiers, in virtual time. Rings and keepers are the real ones.
type simulation struct {
	t        testing.TB
	now      time.Time
	random   *rand.Rand
	queue    queue
	store    *memoryStore
	replicas []*simulated
	caches   []*httpCache
	checkers []*verifier
	parsed   map[string]keySet // by ETag

	// How the world is. All periods are those of the default schedule.
	schedule Schedule
	poll     float64       // how much slower than the real keeper replicas ask the store
	every    time.Duration // between two requests
	noHealth bool          // the load balancer asks everybody
	late     time.Duration // how long after signing assertions are shown once more

	signed, refused, unanswered, unpublished int

	lost string // kid of a key that others know
}

// simulated is a replica of the service.
type simulated struct {
	sim       *simulation
	skew      time.Duration
	link      *link
	ring      *Ring
	keeper    *Keeper
	flip      time.Time // when a key begins to sign
	life      int       // counts its starts, so that events of an earlier one do nothing
	inService bool      // what the load balancer thinks
}

const (
	healthEvery  = 30 * time.Second // also how late the load balancer learns
	simulatedTTL = defaultMaxTTL
)

// newSimulation returns a service of replicas, whose clocks are up to a minute
// apart from the store's, in front of every kind of verifier: one that asks the
// service itself, and some behind shared HTTP caches.
func newSimulation(t testing.TB, seed uint64, replicas int) *simulation {
	s := &simulation{
		t: t, now: began, random: rand.New(rand.NewPCG(seed, 2)), parsed: map[string]keySet{},
		poll: 1, every: 2 * time.Minute, late: simulatedTTL + retireAfter,
	}
	s.store = &memoryStore{now: func() time.Time { return s.now }}
	for range replicas {
		s.addReplica()
	}
	s.caches = []*httpCache{nil, {sim: s}, {sim: s}}
	for _, model := range verifierModels {
		for _, cache := range s.caches {
			v := &verifier{model: model, sim: s, cache: cache}
			s.checkers = append(s.checkers, v)
			if model.background {
				s.after(s.between(0, model.keep), v.refresh)
			}
		}
	}
	s.after(0, s.checkHealth)
	s.after(time.Minute, s.request)
	return s
}

func (s *simulation) addReplica() *simulated {
	r := &simulated{sim: s, link: &link{Store: s.store}}
	if n := len(s.replicas); n > 0 {
		r.skew = []time.Duration{-59 * time.Second, 59 * time.Second, 20 * time.Second}[n%3]
	}
	s.replicas = append(s.replicas, r)
	r.start()
	return r
}

// start begins a process, which forgets everything.
func (r *simulated) start() {
	s := r.sim
	clock := func() time.Time { return s.now.Add(r.skew) }
	r.life++
	r.inService, r.flip = false, time.Time{}
	r.ring = NewRing(RingOptions{Now: clock})
	var err error
	r.keeper, err = NewKeeper(KeeperOptions{Ring: r.ring, Store: r.link, Wrapper: keyFile(s.t, "E"), Schedule: s.schedule, Now: clock})
	if err != nil {
		s.t.Fatal(err)
	}
	r.turn(r.life)
}

// turn is what Keeper.Run does: a step, and then a pause, in which keys sign
// when their time has come.
func (r *simulated) turn(life int) {
	if life != r.life {
		return
	}
	r.keeper.Step(context.Background())
	pause := time.Duration(r.sim.poll * float64(r.keeper.schedule.pollEvery()))
	r.sim.after(r.sim.between(pause/2, pause+pause/2), func() { r.turn(life) })
	if at := r.ring.NextChange(); !at.IsZero() && !at.Equal(r.flip) {
		r.flip = at
		r.sim.after(at.Sub(r.sim.now.Add(r.skew)), func() {
			if life == r.life {
				r.ring.Advance()
				r.sim.requestFrom(r)
			}
		})
	}
}

// checkHealth is the load balancer's: in between, it does not know.
func (s *simulation) checkHealth() {
	for _, r := range s.replicas {
		r.inService = r.ring.Check() == nil || s.noHealth && r.ring.KeyID() != ""
	}
	s.after(healthEvery, s.checkHealth)
}

func (s *simulation) pick() *simulated {
	var list []*simulated
	for _, r := range s.replicas {
		if r.inService {
			list = append(list, r)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[s.random.IntN(len(list))]
}

// request lets a replica sign, and every verifier verify: at once, and as late
// as an assertion can be of use.
func (s *simulation) request() {
	if r := s.pick(); r != nil {
		s.requestFrom(r)
	} else if s.signed > 0 {
		s.unanswered++
	}
	s.after(s.every, s.request)
}

// rush has a request, and somebody who fetches the key set, each second for some
// minutes around a time.
func (s *simulation) rush(at time.Duration) {
	for i := range 360 {
		s.at(at+time.Duration(i-180)*time.Second, func() {
			if r := s.pick(); r != nil {
				s.requestFrom(r)
			}
			if set, _ := s.download(); set == nil {
				s.unpublished++
			}
		})
	}
}

func (s *simulation) requestFrom(r *simulated) {
	if !r.inService {
		return
	}
	token, kid, err := r.ring.Sign(context.Background(), []byte("{}"))
	if err != nil {
		s.refused++
		return
	}
	s.signed++
	present := func() {
		for _, v := range s.checkers {
			v.verify(token, kid)
		}
	}
	present()
	if s.late > 0 {
		s.after(s.late, present)
	}
}

// run lets time pass. Each cut and repair of the script is an event of its own.
func (s *simulation) run(d time.Duration) {
	end := s.now.Add(d)
	for len(s.queue) > 0 && !s.queue[0].at.After(end) {
		e := heap.Pop(&s.queue).(event)
		s.now = e.at
		e.do()
	}
	s.now = end
}

func (s *simulation) after(d time.Duration, do func()) {
	heap.Push(&s.queue, event{at: s.now.Add(d), order: s.random.Uint64(), do: do})
}

func (s *simulation) between(a, b time.Duration) time.Duration {
	return a + time.Duration(s.random.Int64N(int64(b-a)))
}

// at does something at a time from the beginning.
func (s *simulation) at(d time.Duration, do func()) { s.after(began.Add(d).Sub(s.now), do) }

// cut takes the store from replicas for a while.
func (s *simulation) cut(from, until time.Duration, list ...int) {
	for _, i := range list {
		s.at(from, func() { s.replicas[i].link.cut++ })
		s.at(until, func() { s.replicas[i].link.cut-- })
	}
}

type event struct {
	at    time.Time
	order uint64 // of what happens at one time, nothing is known
	do    func()
}

// queue is a heap of events, the next one first.
type queue []event

func (q queue) Len() int           { return len(q) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(e any)        { *q = append(*q, e.(event)) }
func (q *queue) Pop() (last any)   { last = (*q)[len(*q)-1]; *q = (*q)[:len(*q)-1]; return last }
func (q queue) Less(i, j int) bool { return cmpEvents(q[i], q[j]) < 0 }

func cmpEvents(a, b event) int {
	if c := a.at.Compare(b.at); c != 0 {
		return c
	}
	if a.order < b.order {
		return -1
	}
	return 1
}

// verifierModel is how a verifier in common use gets its keys.
type verifierModel struct {
	name       string
	keep       time.Duration // how long it uses a copy of the key set; 0: for ever
	background bool          // fetches by its own clock rather than when asked
	onMiss     bool          // fetches when it meets an unknown kid
	cooldown   time.Duration // at most once in so long
	pins       bool          // goes on with every key it has ever found
}

// The defaults of each; verifiers that differ in nothing have one name.
var verifierModels = []verifierModel{
	{name: "Envoy jwt_authn", keep: 10 * time.Minute},
	{name: "Envoy jwt_authn, async_fetch", keep: 10 * time.Minute, background: true},
	{name: "Istio", keep: 20 * time.Minute, background: true},
	{name: "Apigee", keep: 5 * time.Minute},
	{name: "node jose", keep: 10 * time.Minute, onMiss: true, cooldown: 30 * time.Second},
	{name: "PyJWT", keep: 5 * time.Minute, onMiss: true, cooldown: 30 * time.Second},
	{name: "PyJWT, cache_keys", keep: 5 * time.Minute, onMiss: true, cooldown: 30 * time.Second, pins: true},
	{name: "nimbus", keep: 5 * time.Minute, onMiss: true, cooldown: 30 * time.Second},
	{name: "Spring Security", keep: 5 * time.Minute, onMiss: true},
	{name: "go-oidc, Kubernetes, Vault", onMiss: true},
	{name: "keyfunc", keep: time.Hour, onMiss: true, cooldown: 5 * time.Minute},
	{name: "go-jwt-middleware", keep: time.Minute},
	{name: "jwx jwk.Cache", keep: 30 * time.Minute, background: true},
	{name: "Microsoft.IdentityModel", keep: 12 * time.Hour, onMiss: true, cooldown: 5 * time.Minute},
	{name: "OWIN", keep: 24 * time.Hour},
	{name: "AWS API Gateway", keep: time.Hour, onMiss: true},
	{name: "jwks-rsa", keep: 10 * time.Hour, onMiss: true},
	{name: "static, 1 h", keep: time.Hour},
}

// verifier verifies assertions with the copy of the key set that it has.
type verifier struct {
	model   verifierModel
	sim     *simulation
	cache   *httpCache // nil: it asks the service itself
	set     keySet
	fetched time.Time

	checked, failed     int
	firstFail, lastFail time.Time
	trusted             time.Time // when it last had a key that is lost
}

// keySet has public keys by kid.
type keySet map[string]*ecdsa.PublicKey

func (v *verifier) verify(token, kid string) {
	v.checked++
	key := v.find(kid)
	if v.set[v.sim.lost] != nil {
		v.trusted = v.sim.now
	}
	// The kid is the key's thumbprint: some proofs will do.
	if key != nil && (v != v.sim.checkers[0] || v.checked%8 != 0 || provenES256(key, token)) {
		return
	}
	v.failed++
	v.lastFail = v.sim.now
	if v.firstFail.IsZero() {
		v.firstFail = v.sim.now
	}
}

func (v *verifier) find(kid string) *ecdsa.PublicKey {
	age := v.sim.now.Sub(v.fetched)
	old := !v.model.background && v.model.keep > 0 && age >= v.model.keep
	if (v.set == nil || old) && !v.fetch() {
		return nil // it does not use an old copy
	}
	if v.set[kid] == nil && v.model.onMiss && v.sim.now.Sub(v.fetched) >= v.model.cooldown {
		v.fetch()
	}
	return v.set[kid]
}

func (v *verifier) fetch() bool {
	set := v.cache.get(v.sim)
	if set == nil {
		return false
	}
	if v.model.pins {
		merged := keySet{}
		for kid, key := range v.set {
			merged[kid] = key
		}
		for kid, key := range set {
			merged[kid] = key
		}
		set = merged
	}
	first := v.set == nil
	v.set, v.fetched = set, v.sim.now
	if first && v.model.keep > 0 { // it has been there for a while
		v.fetched = v.fetched.Add(-v.sim.between(0, v.model.keep))
	}
	return true
}

func (v *verifier) refresh() {
	v.fetch()
	v.sim.after(v.model.keep, v.refresh)
}

// httpCache is shared by verifiers, and gives out what it has until it is
// max-age old.
type httpCache struct {
	sim     *simulation
	set     keySet
	expires time.Time
}

// get returns the key set, or nil if nobody has it. A nil cache asks always.
func (c *httpCache) get(s *simulation) keySet {
	if c != nil && s.now.Before(c.expires) {
		return c.set
	}
	set, maxAge := s.download()
	if c != nil && set != nil {
		c.set, c.expires = set, s.now.Add(maxAge)
	}
	return set
}

// download asks one replica that is in service.
func (s *simulation) download() (keySet, time.Duration) {
	r := s.pick()
	if r == nil {
		return nil, 0
	}
	answer := httptest.NewRecorder()
	r.ring.ServeHTTP(answer, httptest.NewRequest("GET", "/", nil))
	if answer.Code != 200 {
		return nil, 0
	}
	_, text, _ := strings.Cut(answer.Header().Get("Cache-Control"), "max-age=")
	text, _, _ = strings.Cut(text, ",")
	maxAge, err := time.ParseDuration(text + "s")
	if err != nil {
		s.t.Fatal(err)
	}
	etag := answer.Header().Get("ETag")
	if s.parsed[etag] == nil {
		s.parsed[etag] = parseES256Set(s.t, answer.Body.Bytes())
	}
	return s.parsed[etag], maxAge
}

// parseES256Set reads a key set with the standard library alone.
func parseES256Set(t testing.TB, text []byte) keySet {
	var set struct {
		Keys []struct{ Kid, Kty, Crv, Alg, Use, X, Y string }
	}
	if err := json.Unmarshal(text, &set); err != nil {
		t.Fatal(err)
	}
	keys := keySet{}
	for _, k := range set.Keys {
		x, xErr := base64.RawURLEncoding.DecodeString(k.X)
		y, yErr := base64.RawURLEncoding.DecodeString(k.Y)
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		if err := errors.Join(xErr, yErr, err); err != nil || k.Alg != "ES256" {
			t.Fatalf("%v in %s", err, text)
		}
		keys[k.Kid] = public
	}
	return keys
}

func provenES256(public *ecdsa.PublicKey, token string) bool {
	end := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	if err != nil || len(signature) != 64 {
		return false
	}
	digest := sha256.Sum256([]byte(token[:end]))
	return ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}

// rollback puts an older document back, as restoring a backup does.
func (s *simulation) rollback(generations int) {
	s.store.replace(s.store.written[len(s.store.written)-1-generations])
}

func (s *simulation) failed() (n int) {
	for _, v := range s.checkers {
		n += v.failed
	}
	return n
}

func (s *simulation) checked() (n int) {
	for _, v := range s.checkers {
		n += v.checked
	}
	return n
}

// wantOneDocument checks that no generation was written twice.
func (s *simulation) wantOneDocument() {
	s.t.Helper()
	seen := map[uint64][]byte{}
	for _, text := range s.store.written {
		d, err := ParseDocument(text)
		if err != nil {
			s.t.Fatal(err)
		}
		if was := seen[d.Generation]; was != nil && !bytes.Equal(was, text) {
			s.t.Errorf("two documents of generation %d", d.Generation)
		}
		seen[d.Generation] = text
	}
}
