package policy

import (
	"time"

	"privyseal/authz"
)

// Rule is one entry of `rules:`. It holds either rules, or what decides a
// request: public, or allow with or without deny.
type Rule struct {
	// Name appears in records and metrics. Required, unique among all rules,
	// [a-z0-9][a-z0-9._-]{0,63}.
	Name string `yaml:"name"`
	// Match says which requests the rule owns. Default: all but CONNECT.
	Match Match `yaml:"match"`

	// Audience is the assertion's aud, 1 to 256 visible ASCII characters.
	// Default: the audience of the rule around this one; else the request's
	// host, for which the rule must match literal hosts only.
	Audience string `yaml:"audience"`
	// AudienceFrom may be "context": the audience is the context extension
	// "audience" that Envoy's route sets, and a request without it is denied.
	AudienceFrom string `yaml:"audience_from"`
	// Authenticate names the identity sources the rule admits, in the order in
	// which they are asked. Default: those of the rule around this one; else
	// all.
	Authenticate []string `yaml:"authenticate"`
	// Public lets everybody through, without identity and without assertion.
	Public bool `yaml:"public"`
	// Explain is shown to the person who is refused, at most 1024 bytes.
	// Default: that of the rule around this one.
	Explain string `yaml:"explain"`
	// TTL is how long the assertion is valid, 15s to 10m in whole seconds.
	// Default: that of the rule around this one, else assertion.ttl.
	TTL time.Duration `yaml:"ttl"`

	// Claims are further claims of the assertion, by name; their values are
	// expressions, such as identity.claims.tenant, that make a text, a number
	// without fraction, true or false, or a list of texts. Not inherited.
	Claims map[string]string `yaml:"claims"`
	// ClaimHeaders pass single claims, those of Claims too, in headers of their
	// own, header to claim, beside assertion.claim_headers, and instead of them for
	// the same header; at most 32 headers in all rules. Default: those of the rule
	// around this one.
	ClaimHeaders map[string]string `yaml:"claim_headers"`

	// Bind lists what the assertion is bound to, so that a leaked one is good
	// for nothing else: any of method, host, path and query of the request as
	// the application receives it, and certificate, the client's at Envoy,
	// without which a caller is denied. Not together with assertion.reuse.
	// Default: that of the rule around this one, else nothing.
	Bind []string `yaml:"bind"`

	// Mode is "enforce", or "report": whoever no allow clause admits is let
	// through, with an assertion, and the record says what would have been
	// denied. Authentication, deny clauses, groups that are unknown and clauses
	// that cannot be evaluated deny as ever. Default: that of the rule around
	// this one, else enforce.
	Mode string `yaml:"mode"`
	// Deny refuses callers for whom one of its clauses holds, whatever Allow
	// says.
	Deny Clauses `yaml:"deny"`
	// Allow admits callers for whom one of its clauses holds. Required unless
	// the rule is public or holds rules; an empty list admits nobody.
	Allow Clauses `yaml:"allow"`

	// Rules divide what this rule matches. They inherit match (each must fit
	// as well as the rule around it), audience, authenticate, ttl, claim_headers,
	// bind, mode and explain.
	Rules []Rule `yaml:"rules"`
}

// Match says which requests a rule owns: those that fit every key. An absent
// key fits all requests; an empty list is a mistake.
type Match struct {
	// Hosts are literal hosts, without port; "*.example.com" for one or more
	// labels below example.com; "*" for any. Default: any.
	Hosts []string `yaml:"hosts"`
	// Paths are globs on the decoded path: '*' within one segment, "**" as any
	// number of segments. Default: any.
	Paths []string `yaml:"paths"`
	// Methods are upper-case method names. Default: any but CONNECT, which
	// has no path and fits only where it is listed and no paths are.
	Methods []string `yaml:"methods"`
	// GRPC are gRPC methods, package.Service/Method or package.Service/*. It
	// stands for POST, these paths and a content type that begins with
	// application/grpc, in place of methods and paths. What comes to such a path
	// in another way is left to the rules that follow. Default: any request.
	GRPC []string `yaml:"grpc"`
	// Networks are ranges of the client's address as Envoy sees it, such as
	// 10.0.0.0/8. A client whose address is unknown is in none. Default: any.
	Networks []string `yaml:"networks"`
	// Extensions are context extensions that Envoy's route must set to exactly
	// these values.
	Extensions map[string]string `yaml:"context_extensions"`
}

// Clauses are alternatives: one that holds is enough. The configuration may
// write one clause in place of a list of one.
type Clauses []Clause

// Clause holds for a caller if each of its keys does. Nil lists are absent
// keys; a list that is present and empty holds for nobody.
type Clause struct {
	// From names the sources the clause is about. Required where the rule
	// admits several; default: the only one. Alone it holds for every caller
	// of these sources.
	From []string `yaml:"from"`
	// Groups holds for members of any of these; '*' within a segment.
	Groups []string `yaml:"groups"`
	// Emails holds for any of these addresses, verified, in any case; '*'
	// within a segment.
	Emails []string `yaml:"emails"`
	// Domains holds for verified addresses in exactly these domains.
	Domains []string `yaml:"domains"`
	// Subjects holds for any of these subjects of the source; '*' within a
	// segment.
	Subjects []string `yaml:"subjects"`
	// Authenticated holds for every caller that the rule's sources know.
	Authenticated bool `yaml:"authenticated"`
	// When is a condition in CEL on request and identity, at most 4096 bytes:
	// request.method == "GET" && identity.acr == "urn:mfa". It is asked if all
	// other keys hold. A value that is absent, or that nobody vouches for,
	// denies where it is read.
	When string `yaml:"when"`
	// Detail is told to the caller whom a deny clause refuses, at most 256
	// bytes. Deny clauses only.
	Detail string `yaml:"detail"`
}

// Source is what rules need to know of an identity source.
type Source struct {
	Name       string
	Primary    bool // its subjects are not qualified by its name; at most one source
	TrustEmail bool // its addresses count without being marked as verified
}

// Env is the configuration around the rules.
type Env struct {
	Sources []Source
	// Authenticators returns what authenticates for the named sources, in
	// order. It is asked once for each rule that signs. Nil leaves
	// [authz.Rule.Authenticate] empty, for tools that match and judge only.
	Authenticators func(names []string) []authz.Authenticator
	// Issuer decides whether rules that sign need literal hosts. The zero value
	// is "host".
	Issuer authz.Issuer
	// TTL is the life of assertions where no rule says otherwise; its owner
	// validates it. The zero value is [authz.DefaultTTL].
	TTL time.Duration
	// Reuse is how long requests may share an assertion. Rules that bind theirs
	// are a mistake unless it is 0.
	Reuse time.Duration
	// Now is the clock of request.time. Default time.Now.
	Now func() time.Time
}

// Bounds of a policy.
const (
	maxRules   = 20000
	maxDepth   = 8
	maxValues  = 10000 // entries of one list
	maxValue   = 1024  // bytes of one entry
	maxExplain = 1024  // bytes
	maxDetail  = 256   // bytes
	maxHeaders = 32    // claim headers of all rules
)
