package authz

import (
	"context"
	"time"
)

// Reason says in one word why a request was granted or denied. The set is
// closed: reasons are log fields and metric labels. Words of a configuration
// are a [Denial]'s Detail.
type Reason string

// Reasons of grants and answers.
const (
	Allowed  Reason = "allowed"  // a rule's allow clause holds; an assertion was signed
	Public   Reason = "public"   // the rule says in words that it needs no identity
	Answered Reason = "answered" // one of our own endpoints answered
)

// Reasons of denials.
const (
	MalformedRequest  Reason = "malformed_request"   // 400: cannot be read in one way only
	AmbiguousPath     Reason = "ambiguous_path"      // 400: a rule reads the path, and programs may read it differently
	NoRule            Reason = "no_rule"             // 403: no rule's match fits
	Unauthenticated   Reason = "unauthenticated"     // 401: no credential that the rule takes
	InvalidCredential Reason = "invalid_credential"  // 401: present and wrong
	ExpiredCredential Reason = "expired_credential"  // 401: was right, is over
	UnknownIssuer     Reason = "unknown_issuer"      // 401: nobody we trust for this rule
	LoginFailed       Reason = "login_failed"        // 400: a browser login that cannot be completed
	LoginLoop         Reason = "login_loop"          // 403: logging in again and again did not help
	SessionTooLarge   Reason = "session_too_large"   // 403: a session that does not fit a cookie
	DeniedByRule      Reason = "denied_by_rule"      // 403: a deny clause holds
	NotAllowed        Reason = "not_allowed"         // 403: no allow clause holds
	GroupsUnknown     Reason = "groups_unknown"      // 403: groups are read, and the source could not say them
	PolicyError       Reason = "policy_error"        // 403: a clause could not be evaluated
	NoAudience        Reason = "no_audience"         // 403: the route names no audience
	UnsafeClaim       Reason = "unsafe_claim"        // 403: a value cannot be written where the rule wants it
	AssertionTooLarge Reason = "assertion_too_large" // 403: over max_bytes
	SourceUnavailable Reason = "source_unavailable"  // 503: keys of an issuer could not be had
	SigningFailed     Reason = "signing_failed"      // 503: no signature
	Unrecorded        Reason = "unrecorded"          // 503: the record of a grant could not be kept, so it was not given
	DeadlineExceeded  Reason = "deadline_exceeded"   // 503: out of time, or the caller left
	Fault             Reason = "fault"               // 503: a defect
)

// Status is the HTTP status of a reason. A reason that is not one of ours is a
// fault.
func (r Reason) Status() int {
	switch r {
	case MalformedRequest, AmbiguousPath, LoginFailed:
		return 400
	case Unauthenticated, InvalidCredential, ExpiredCredential, UnknownIssuer:
		return 401
	case LoginLoop, SessionTooLarge, NoRule, DeniedByRule, NotAllowed, GroupsUnknown, PolicyError, NoAudience, UnsafeClaim, AssertionTooLarge:
		return 403
	}
	return 503
}

// curable reports whether logging in (again) could cure a denial.
func (d *Denial) curable() bool { return d.StepUp != nil || d.Reason.Status() == 401 }

// Denial is why a request is refused. It is an error, so that any step may
// return it; any other error is a fault.
type Denial struct {
	Reason Reason
	Rule   string  // name of the rule that owned the request, if any
	Detail string  // for people: never a secret; sent to the client
	StepUp *StepUp // set when a stronger login would do
	Reply  *Reply  // what the client is sent; nil is the plain reply of the reason

	cause error // for the record only: never sent
}

// StepUp is the login a rule asks for beyond the one the caller has.
type StepUp struct {
	ACR    []string      // any of these authentication context classes
	MaxAge time.Duration // authenticated at most this long ago; 0 is any time
}

// Because returns a copy of d with a cause, which goes to the decision record and
// never to the client. The cause must not hold a secret.
func (d Denial) Because(cause error) *Denial {
	d.cause = cause
	return &d
}

// Error describes the denial without its cause.
func (d *Denial) Error() string {
	if d.Detail == "" {
		return string(d.Reason)
	}
	return string(d.Reason) + ": " + d.Detail
}

// Unwrap returns the cause.
func (d *Denial) Unwrap() error { return d.cause }

// Challenger is an [Authenticator] that can say how to authenticate. The
// challengers of a rule are asked, in order, when a denial could be cured by
// logging in (again).
type Challenger interface {
	// Challenge returns the reply to d, or nil to leave it to others. A reply
	// with a status other than 401 wins at once; the WWW-Authenticate values
	// of 401 replies are joined. An error is a fault.
	Challenge(ctx context.Context, r *Request, d *Denial, fx *Effects) (*Reply, error)
}

// Endpoint answers a path of our own, before any rule is asked.
type Endpoint interface {
	// Answer returns the reply, whose status may be 200, or an error: a
	// *[Denial] or a fault.
	Answer(ctx context.Context, r *Request, fx *Effects) (*Reply, error)
}

// Reply is what the client is sent instead of the application's response.
type Reply struct {
	Status      int // 300 to 599; 200 to 299 from an [Endpoint] only
	Location    string
	ContentType string
	Challenges  []string // WWW-Authenticate values, RFC 9110 section 11.6.1
	LoginURL    string   // where a person can log in; told when there is no Body
	Body        []byte
}
