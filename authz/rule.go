package authz

import (
	"context"
	"time"
)

// Policy finds the rule that owns a request.
type Policy interface {
	// Match returns the first rule that fits the request, by the request
	// alone; or the denial to answer with, [NoRule] or [AmbiguousPath]. One of
	// the two is nil.
	Match(r *Request) (*Rule, *Denial)
}

// HeaderOwner is a [Policy] whose rules set claim headers of their own. Every
// grant sets or removes them, whichever rule it is by.
type HeaderOwner interface {
	// ClaimHeaders returns the headers of [Rule.ClaimHeaders] of all rules, each
	// accepted by [ValidHeaderName] and in one spelling.
	ClaimHeaders() []string
}

// Judge decides whether an identity may do what a request asks.
type Judge interface {
	// Judge returns nil to allow, a *[Denial] to deny; any other error is a
	// fault.
	Judge(ctx context.Context, r *Request, id *Identity) (Extra, error)
}

// Extra is what a judge adds to the assertion beyond the identity's claims.
type Extra struct {
	Claims []Claim // each name once, checked by [ValidClaimName] when rules were loaded
}

// Claim is one claim: a name, and a value as encoding/json decodes it with
// UseNumber.
type Claim struct {
	Name  string
	Value any
}

// Rule owns the requests that its match fits. It is immutable.
type Rule struct {
	Name    string
	Pattern string // the match in one line: what records show instead of a path
	Explain string // for the person who is refused

	Public       bool // no identity, no assertion
	Report       bool // a judge's [NotAllowed] is recorded and not enforced; the Extra beside it is used
	Authenticate []Authenticator
	Judge        Judge

	// Audience is the assertion's aud. When it is empty, AudienceFrom says
	// where it comes from.
	Audience     string
	AudienceFrom AudienceFrom

	TTL time.Duration // how long the assertion is valid; [MinTTL] to [MaxTTL]

	// ClaimHeaders are passed on beside those of [AssertionOptions]; for the
	// same header the rule's claim is meant. They are among the policy's
	// [HeaderOwner.ClaimHeaders].
	ClaimHeaders []ClaimHeader

	// Sources are the names of the sources that can speak to the rule's
	// audience, by this rule or by others. When there are several, the
	// assertion's sub is "source/subject", except for the source named Primary.
	Sources []string
	Primary string

	// Bind is what the assertion is bound to.
	Bind Binding
}

// ClaimHeader passes one claim in a header of its own.
type ClaimHeader struct{ Header, Claim string }

// AudienceFrom says where an assertion's audience comes from when its rule does
// not name one.
type AudienceFrom int

const (
	// AudienceHost is the request's host. Rules that use it match literal
	// hosts only, so that a client chooses among the operator's names.
	AudienceHost AudienceFrom = iota
	// AudienceContext is the context extension "audience" of the route; absent
	// denies.
	AudienceContext
)

// Bounds and default of an assertion's life.
const (
	MinTTL     = 15 * time.Second
	DefaultTTL = 5 * time.Minute
	MaxTTL     = 10 * time.Minute
)
