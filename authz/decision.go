package authz

import (
	"net/netip"
	"time"
)

// Decision is the outcome of one request: a grant, or the reply of a denial or
// of an endpoint. The zero Decision is a denial with status 503.
type Decision struct {
	Record Record

	grant  *Grant
	denial *Denial
	reply  *Reply
	fx     Effects
}

// Grant returns the grant, or nil if the request is not let through.
func (d *Decision) Grant() *Grant { return d.grant }

// Reply returns what the client is sent when there is no grant. It is never
// nil, and its status is never below 200.
func (d *Decision) Reply() *Reply {
	if d.reply == nil {
		return &Reply{Status: Fault.Status(), ContentType: "text/plain; charset=utf-8"}
	}
	return d.reply
}

// SetCookies returns the Set-Cookie values for the client, on a grant and on a
// reply alike.
func (d *Decision) SetCookies() []string { return d.fx.cookies }

// Field is one header field.
type Field struct{ Name, Value string }

// Grant lets a request through with changed headers. Only
// [Authorizer.Authorize] makes one: its fields are unexported. Together, Set and
// Remove cover every name of the assertion and its claim headers; no name is in
// both, because Envoy applies removals after additions.
type Grant struct {
	set    []Field
	remove []string
}

// Set returns the request headers to overwrite; each name occurs once.
func (g *Grant) Set() []Field { return g.set }

// Remove returns the request headers to remove; none of them is in Set.
func (g *Grant) Remove() []string { return g.remove }

// Outcome is what became of a request: the first label of the counter.
type Outcome string

// The outcomes. A fault is a denial; its reason says so.
const (
	Allow  Outcome = "allow"
	Deny   Outcome = "deny"
	Answer Outcome = "answer"
)

// Record is what is kept of a decision: for the log, the metrics and Envoy's
// access log. It owns its strings and holds no credential, no path, no query
// and no claim beside the subject.
type Record struct {
	ID      string // of the decision; also the assertion's jti, unless it was reused
	Time    time.Time
	Outcome Outcome
	Reason  Reason
	Detail  string
	Cause   string // what went wrong, for operators; not sent to clients
	Status  int    // of the reply; 0 for a grant

	// WouldDeny is why the rule's allow clauses refuse a request that the rule,
	// being in report mode, let through; "" if they do not.
	WouldDeny       Reason
	WouldDenyDetail string

	Rule    string
	Pattern string // the rule's match, instead of the path
	Method  string
	Host    string
	Client  netip.Addr
	Request string // x-request-id, if it is short and plain

	Source        string
	Subject       string
	Issuer        string // of the credential
	Audience      string
	KeyID         string
	JWTID         string
	Expires       time.Time // of the assertion
	Bytes         int       // of the assertion
	GroupsDropped int       // groups left out because the assertion was too large

	// How long the whole decision and its steps took.
	Took, Authenticating, Judging, Signing time.Duration
}
