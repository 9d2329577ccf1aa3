package authz

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options are the parts of an [Authorizer]. Policy and Signer are required.
type Options struct {
	Policy    Policy
	Signer    Signer
	Issuer    Issuer
	Assertion AssertionOptions
	Endpoints map[string]Endpoint // by exact canonical path

	Now  func() time.Time // default time.Now
	Rand io.Reader        // default crypto/rand.Reader
}

// Signer signs with the one key that is due. It is safe for concurrent use.
type Signer interface {
	// KeyID names the key that Sign would use now.
	KeyID() string
	// Sign returns the compact JWS (RFC 7515 section 7.1) of a payload and the
	// key that made it, which is published at that moment. The payload is the
	// caller's again when Sign returns.
	Sign(ctx context.Context, payload []byte) (jws, kid string, err error)
}

// Authorizer decides about requests. It is immutable, so it is the snapshot of
// a configuration: whoever serves requests swaps a pointer to it. It is safe
// for concurrent use.
type Authorizer struct {
	policy    Policy
	signer    Signer
	issuer    Issuer
	assertion AssertionOptions
	headers   []string // of claim headers, sorted
	owned     owned
	endpoints map[string]Endpoint
	reuse     *reuse    // nil: every request has an assertion of its own
	checks    sync.Pool // of *check
	now       func() time.Time
	rand      io.Reader
}

// New makes an Authorizer. Mistakes in the assertion's options are returned all
// at once, as [OptionError] values joined.
func New(o Options) (*Authorizer, error) {
	if o.Policy == nil || o.Signer == nil {
		return nil, errors.New("authz: a policy and a signer are required")
	}
	assertion, err := o.Assertion.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &Authorizer{
		policy: o.Policy, signer: o.Signer, issuer: o.Issuer, assertion: assertion,
		headers:   slices.Sorted(maps.Keys(assertion.ClaimHeaders)),
		endpoints: o.Endpoints, now: o.Now, rand: o.Rand,
	}
	if assertion.Reuse > 0 {
		a.reuse = newReuse(reuseCacheBytes)
	}
	var more []string
	if owner, ok := o.Policy.(HeaderOwner); ok {
		more = owner.ClaimHeaders()
	}
	if err := oneSpelling(assertion.Header, a.headers, more); err != nil {
		return nil, err
	}
	a.owned = newOwned(assertion.Header, slices.Concat(a.headers, more))
	if a.issuer == "" {
		a.issuer = "host"
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.rand == nil {
		a.rand = rand.Reader
	}
	return a, nil
}

// Authorize decides about one request. It is total: panics of any part, expired
// contexts and errors that are not denials are denials with status 503.
func (a *Authorizer) Authorize(ctx context.Context, r *Request) Decision {
	c := a.begin(r)
	err := c.attempt(func() error { return c.decide(ctx) })
	if err == nil && ctx.Err() != nil {
		err = ctx.Err() // too late: Envoy has answered already
	}
	if err != nil {
		c.deny(ctx, err)
	}
	c.record()
	return c.end()
}

// Refuse makes the decision for a request that could not be made into a
// [Request]; r may hold what is known of it, or be nil.
func (a *Authorizer) Refuse(ctx context.Context, r *Request, d *Denial) Decision {
	if r == nil {
		r = &Request{}
	}
	known := *r
	if known.Headers == nil {
		known.Headers = HeaderMap(nil)
	}
	c := a.begin(&known)
	if err := c.attempt(c.identify); err != nil {
		d = &Denial{Reason: Fault, cause: err}
	}
	c.deny(ctx, d)
	c.record()
	return c.end()
}

// check is one request on its way through an Authorizer.
type check struct {
	*Authorizer
	request *Request
	start   time.Time

	rule     *Rule
	identity *Identity
	extra    Extra
	excused  *Denial // what a rule in report mode did not enforce
	granted  granted
	decision Decision

	id      [16]byte // of the decision
	payload []byte   // of the assertion
}

// begin returns the memory of a check that ended, or new.
func (a *Authorizer) begin(r *Request) *check {
	c, ok := a.checks.Get().(*check)
	if !ok {
		c = &check{}
	}
	c.Authorizer, c.request, c.start = a, r, a.now()
	return c
}

// end returns the decision and gives the memory back. Nothing that the decision
// holds is in it.
func (c *check) end() Decision {
	a, d, payload := c.Authorizer, c.decision, c.payload
	*c = check{}
	if cap(payload) <= maxMaxBytes {
		c.payload = payload[:0]
	}
	a.checks.Put(c)
	return d
}

// decide is the life of a request: it ends with a grant, an answer or an error.
func (c *check) decide(ctx context.Context) error {
	if err := c.identify(); err != nil {
		return err
	}
	if endpoint := c.endpoint(); endpoint != nil {
		return c.answer(ctx, endpoint)
	}
	if err := c.match(); err != nil {
		return err
	}
	if c.owned.nominates(c.request.Headers) {
		return &Denial{Reason: MalformedRequest, Detail: "the connection header names a header of the assertion"}
	}
	if c.rule.Public {
		c.decision.Record.Reason = Public
		c.decision.grant = c.owned.grant(c.request, &c.decision.fx, nil)
		return nil
	}
	if err := c.authenticate(ctx); err != nil {
		return err
	}
	if err := c.judge(ctx); err != nil {
		return err
	}
	return c.assert(ctx)
}

// identify names the decision, so that a denial can be told from another, and
// the request, so that it can be found in other logs.
func (c *check) identify() error {
	if _, err := io.ReadFull(c.rand, c.id[:]); err != nil {
		return fmt.Errorf("no randomness for a decision id: %v", err)
	}
	c.decision.Record.ID = base64.RawURLEncoding.EncodeToString(c.id[:])
	c.decision.Record.Request = requestID(c.request.Headers)
	return nil
}

func (c *check) endpoint() Endpoint {
	if c.request.Ambiguous {
		return nil
	}
	return c.endpoints[c.request.Path]
}

func (c *check) answer(ctx context.Context, endpoint Endpoint) error {
	reply, err := endpoint.Answer(ctx, c.request, &c.decision.fx)
	if err == nil && !validReply(reply, 200) {
		err = errors.New("endpoint made no valid reply")
	}
	if err != nil {
		return err
	}
	c.decision.Record.Reason = Answered
	c.decision.reply = reply
	return nil
}

func (c *check) match() error {
	rule, denial := c.policy.Match(c.request)
	if denial != nil {
		return denial
	}
	if rule == nil {
		return &Denial{Reason: NoRule}
	}
	c.rule = rule
	return nil
}

func (c *check) authenticate(ctx context.Context) error {
	started := c.now()
	defer func() { c.decision.Record.Authenticating = c.now().Sub(started) }()
	for _, authenticator := range c.rule.Authenticate {
		id, err := authenticator.Authenticate(ctx, c.request, &c.decision.fx)
		if errors.Is(err, ErrNoCredential) {
			continue
		}
		if err == nil && id == nil {
			err = errors.New("authenticator returned neither an identity nor an error")
		}
		if err != nil {
			return err
		}
		if !id.Expires.IsZero() && !c.start.Before(id.Expires) {
			return &Denial{Reason: ExpiredCredential}
		}
		c.identity = id
		return nil
	}
	return &Denial{Reason: Unauthenticated}
}

func (c *check) judge(ctx context.Context) (err error) {
	started := c.now()
	defer func() { c.decision.Record.Judging = c.now().Sub(started) }()
	if c.rule.Judge == nil {
		return fmt.Errorf("rule %s has no judge", c.rule.Name)
	}
	c.extra, err = c.rule.Judge.Judge(ctx, c.request, c.identity)
	if denied, ok := err.(*Denial); ok && c.rule.Report && excusable(denied) {
		c.excused = denied
		return nil
	}
	return err
}

// excusable reports whether a denial says no more than that no allow clause
// holds, which is all that report mode lets through: a stronger login is still
// asked for, and what could not be evaluated could have been a deny clause.
func excusable(d *Denial) bool { return d.Reason == NotAllowed && d.StepUp == nil }

// deny turns an error into the reply of a denial.
func (c *check) deny(ctx context.Context, err error) {
	var d Denial
	fault := c.attempt(func() error {
		d = c.denial(err) // a nil pointer in err panics when asked what it is
		d.Reply = c.reply(ctx, &d)
		return nil
	})
	if fault != nil {
		d = c.denial(fault)
		d.Reply = (&Decision{}).Reply()
	}
	c.decision.grant = nil
	c.decision.denial = &d
	c.decision.reply = d.Reply
}

// denial returns a copy, because a *Denial may be shared between requests.
func (c *check) denial(err error) (d Denial) {
	var denied *Denial
	switch {
	case errors.As(err, &denied):
		d = *denied
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		d = Denial{Reason: DeadlineExceeded, cause: err}
	default:
		d = Denial{Reason: Fault, cause: err}
	}
	if c.rule != nil {
		d.Rule = c.rule.Name
	}
	return d
}

// attempt runs f and turns a panic into an error, so that one bad request does
// not end the process that all others depend on. The panic's value is not kept:
// it may hold what a request carried.
func (c *check) attempt(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %T%s", p, panicSite())
		}
	}()
	return f()
}

// record completes the decision's record.
func (c *check) record() {
	rec, r := &c.decision.Record, c.request
	rec.Time = c.start
	rec.Method, rec.Host, rec.Client = ownMethod(r.Method), strings.Clone(r.Host), r.Client
	if c.rule != nil {
		rec.Rule, rec.Pattern = c.rule.Name, c.rule.Pattern
	}
	if c.identity != nil {
		rec.Source, rec.Subject, rec.Issuer = c.identity.Source, c.identity.Subject, c.identity.Issuer
	}
	switch d := c.decision.denial; {
	case d != nil:
		rec.Outcome, rec.Reason, rec.Detail, rec.Status = Deny, d.Reason, strings.Clone(d.Detail), d.Reply.Status
		rec.Rule = d.Rule
		if d.cause != nil {
			fault := c.attempt(func() error { rec.Cause = strings.Clone(d.cause.Error()); return nil })
			if fault != nil {
				rec.Cause = fault.Error()
			}
		}
	case c.decision.grant != nil:
		rec.Outcome = Allow
		if c.excused != nil {
			rec.WouldDeny, rec.WouldDenyDetail = c.excused.Reason, strings.Clone(c.excused.Detail)
		}
		rec.Audience, rec.GroupsDropped = strings.Clone(c.granted.audience), c.granted.groupsDropped
		rec.KeyID, rec.JWTID, rec.Expires, rec.Bytes = c.granted.kid, c.granted.jti, c.granted.expires, len(c.granted.jws)
	default:
		rec.Outcome, rec.Status = Answer, c.decision.reply.Status
	}
	rec.Took = c.now().Sub(c.start)
}

// ownMethod returns a method that points into no request.
func ownMethod(method string) string {
	for _, usual := range [...]string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"} {
		if method == usual {
			return usual
		}
	}
	return strings.Clone(method)
}

// requestID returns the x-request-id if it is what proxies make: short, plain.
func requestID(h Headers) string {
	values := h.Values("x-request-id")
	if len(values) != 1 || len(values[0]) > 64 || !isToken(values[0]) {
		return ""
	}
	return strings.Clone(values[0])
}
