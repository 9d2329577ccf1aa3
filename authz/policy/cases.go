package policy

// Cases are tests of rules: who asks for what, and what becomes of it. They are
// judged by the compiled policy and the authorizer that a service uses, see
// [Rehearsal]; identities stand for the credentials that would prove them.
type Cases struct {
	// Version of this format: 1.
	Version int `yaml:"version"`
	// Config is the configuration whose rules are tested, relative to this file.
	// Default: the one that the command names, else privyseal.yaml.
	Config string `yaml:"config"`
	// Now is the time at which requests are made, as RFC 3339 has it. Default
	// 2000-01-01T00:00:00Z: the clock stands still in any case.
	Now string `yaml:"now"`
	// Identities are callers by name. "nobody" is a caller without credentials and
	// need not be listed.
	Identities map[string]CaseIdentity `yaml:"identities"`
	// Cases are the tests, at most 10000 requests in all.
	Cases []Case `yaml:"cases"`
}

// CaseIdentity is what a source says of a caller.
type CaseIdentity struct {
	// Source is the name of an identity source of the configuration. Required.
	Source string `yaml:"source"`
	// Issuer is who vouches: a token's iss, a certificate's trust domain.
	Issuer string `yaml:"issuer"`
	// Subject is the caller's name at the source. Required.
	Subject string `yaml:"subject"`
	// Session is the issuer's session.
	Session string `yaml:"session"`
	// Email is the address, EmailVerified whether the source vouches for it.
	Email         string `yaml:"email"`
	EmailVerified bool   `yaml:"email_verified"`
	// Name is what the person is called.
	Name string `yaml:"name"`
	// Groups the source lists. Left out: it says nothing of groups, by which deny
	// clauses that read them hold; [] is a caller in no group.
	Groups []string `yaml:"groups"`
	// GroupsUnknown says that the source could not list all groups.
	GroupsUnknown bool `yaml:"groups_unknown"`
	// ACR and AMR are how the caller authenticated.
	ACR string   `yaml:"acr"`
	AMR []string `yaml:"amr"`
	// AuthTime is when, and Expires when the credential ends; RFC 3339.
	AuthTime string `yaml:"auth_time"`
	Expires  string `yaml:"expires"`
	// Thumbprint is the x5t#S256 (RFC 8705) of the caller's client certificate, 43
	// characters of base64url. Rules that bind to a certificate need it.
	Thumbprint string `yaml:"thumbprint"`
	// Claims are everything else the source says.
	Claims map[string]any `yaml:"claims"`
}

// Case is requests of callers of which the same is expected: each of As makes
// each of Requests.
type Case struct {
	// Name says what is tested. Required, unique.
	Name string `yaml:"name"`
	// As names identities; a single one needs no list. Default nobody.
	As Callers `yaml:"as"`
	// Requests are what is asked for. Required.
	Requests []CaseRequest `yaml:"requests"`
	// Now is the time of this case. Default: that of the file.
	Now string `yaml:"now"`
	// Expect is what becomes of each request. Required.
	Expect Expectation `yaml:"expect"`
}

// Callers are names of identities.
type Callers []string

// CaseRequest is a request. The configuration may write the text of Request in
// its place.
type CaseRequest struct {
	// Request is the method and the URL: GET https://orders.example.com/v1/list.
	// The path is taken as it is written, and so is what Envoy would send.
	Request string `yaml:"request"`
	// Headers by their names in lower case.
	Headers map[string]string `yaml:"headers"`
	// Client is the IP address of the client. Default: unknown.
	Client string `yaml:"client"`
	// Extensions are the context extensions of the route.
	Extensions map[string]string `yaml:"context_extensions"`
	// Metadata is the dynamic metadata of filters before, by namespace.
	Metadata map[string]any `yaml:"metadata"`
}

// Expectation is what a request comes to. What is left out may be anything, but
// something must be said.
type Expectation struct {
	// Outcome is allow or deny.
	Outcome string `yaml:"outcome"`
	// Reason is that of the decision record, such as allowed or not_allowed.
	Reason string `yaml:"reason"`
	// Detail is what a denial tells beside its reason.
	Detail string `yaml:"detail"`
	// Rule is the name of the rule that owns the request.
	Rule string `yaml:"rule"`
	// WouldDeny is why a rule in report mode would have denied.
	WouldDeny string `yaml:"would_deny"`
	// Claims are members of the assertion, which may have more; NoClaims are
	// names it must not have.
	Claims   map[string]any `yaml:"claims"`
	NoClaims []string       `yaml:"no_claims"`
	// Headers are request headers that the application receives from us; "" is
	// one that it must not receive.
	Headers map[string]string `yaml:"headers"`
}

// Bounds of a file of cases.
const (
	maxTrials = 10000
	nobody    = "nobody"
)
