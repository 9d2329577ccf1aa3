package policy

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"privyseal/authz"
)

// Rehearsal decides as a service does, by the same compiled policy and the same
// authorizer, for identities that are given in place of credentials. What it
// grants carries claims that nobody has signed. It is for tools and tests, and
// safe for concurrent use.
type Rehearsal struct {
	policy     *Policy
	authorizer *authz.Authorizer
}

// Rehearse compiles rules for a rehearsal, or returns what is wrong with them and
// with the assertion's options: [authz.OptionError] values joined, below "rules"
// and "assertion". Env.Authenticators is not asked: whoever is given is believed
// by the rules that admit its source.
func Rehearse(rules []Rule, env Env, assertion authz.AssertionOptions) (*Rehearsal, error) {
	env.Authenticators = func(names []string) []authz.Authenticator { return []authz.Authenticator{believer(names)} }
	compiled, err := Compile(rules, env)
	if err != nil {
		err = &authz.OptionError{Path: "rules", Err: err}
	}
	assertion.Reuse = 0 // each trial shows its own claims
	authorizer, assertionErr := authz.New(authz.Options{
		Policy: compiled, Signer: reader{}, Issuer: env.Issuer, Assertion: assertion, Now: env.Now,
	})
	if assertionErr != nil {
		assertionErr = &authz.OptionError{Path: "assertion", Err: assertionErr}
	}
	if err := errors.Join(err, assertionErr); err != nil {
		return nil, err
	}
	return &Rehearsal{compiled, authorizer}, nil
}

// Policy is the policy that is rehearsed.
func (h *Rehearsal) Policy() *Policy { return h.policy }

// Trial is one request and what becomes of it.
type Trial struct {
	Decision authz.Decision
	// Explanation tells why. Its clauses are empty where no caller was judged.
	Explanation Explanation
	// Claims are the claims of the assertion, as JSON; nil if there is none.
	Claims []byte
	// Headers are those that the application receives from us; the value of the
	// assertion is [Unsigned].
	Headers []authz.Field
}

// Try decides about a request of an identity; nil is nobody. A denial with which
// the request comes is that of a request that cannot be read: see
// [authz.NewRequest].
func (h *Rehearsal) Try(ctx context.Context, r *authz.Request, unreadable *authz.Denial, id *authz.Identity) (Trial, error) {
	if unreadable != nil {
		return Trial{Decision: h.authorizer.Refuse(ctx, r, unreadable)}, nil
	}
	given := &attempt{identity: id}
	trial := Trial{Decision: h.authorizer.Authorize(context.WithValue(ctx, attemptKey{}, given), r)}
	if grant := trial.Decision.Grant(); grant != nil {
		trial.Claims, trial.Headers = given.claims, given.headers(grant.Set())
	}
	if rule, _ := h.policy.Match(r); rule == nil || !admits(rule, id) {
		id = nil // not judged
	}
	var err error
	trial.Explanation, err = h.policy.Explain(ctx, r, id)
	return trial, err
}

// admits reports whether a rule admits the source of an identity.
func admits(rule *authz.Rule, id *authz.Identity) bool {
	j, judges := rule.Judge.(*judge)
	if !judges || id == nil {
		return false
	}
	_, admitted := j.sources[id.Source]
	return admitted
}

// attempt is what believer and reader have to do with one decision.
type attempt struct {
	identity *authz.Identity
	claims   []byte
	jws      string
}

// headers are those of a grant, with what stands for the assertion.
func (a *attempt) headers(set []authz.Field) []authz.Field {
	set = slices.Clone(set)
	for i := range set {
		if a.jws != "" && set[i].Value == a.jws {
			set[i].Value = Unsigned
		}
	}
	return set
}

type attemptKey struct{}

func attemptOf(ctx context.Context) *attempt { return ctx.Value(attemptKey{}).(*attempt) }

// believer is the names of the sources whose identities it believes.
type believer []string

// Authenticate implements [authz.Authenticator].
func (b believer) Authenticate(ctx context.Context, _ *authz.Request, _ *authz.Effects) (*authz.Identity, error) {
	if id := attemptOf(ctx).identity; id != nil && slices.Contains(b, id.Source) {
		return id, nil
	}
	return nil, authz.ErrNoCredential
}

// reader is the signer of a rehearsal: it keeps what it is to sign.
type reader struct{}

// KeyID implements [authz.Signer].
func (reader) KeyID() string { return "none" }

// Sign implements [authz.Signer]. What it returns is no token, and as long as one
// that ES256 signed, so that max_bytes is rehearsed, too.
func (reader) Sign(ctx context.Context, payload []byte) (jws, kid string, err error) {
	const header, signature = 134, 86
	given := attemptOf(ctx)
	given.claims = slices.Clone(payload)
	given.jws = strings.Repeat("-", header+1+base64.RawURLEncoding.EncodedLen(len(payload))+1+signature)
	return given.jws, "none", nil
}

// Unsigned stands for the assertion in the headers of a [Trial].
const Unsigned = "(assertion)"
