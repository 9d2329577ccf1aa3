package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"privyseal/authz"
)

// judge implements [authz.Judge] for one rule.
type judge struct {
	rule        string
	report      bool            // claims are made also for those whom no allow clause admits
	sources     map[string]bool // the admitted; true: its e-mail addresses are trusted
	deny, allow []clause
	claims      []claim // made for those who are allowed
}

// Judge returns nil to allow. In report mode [authz.NotAllowed] comes with what
// an allowed caller is given. An identity of a source that the rule does not
// admit is a fault, not a denial: authenticators are chosen by the rule.
func (j *judge) Judge(ctx context.Context, r *authz.Request, id *authz.Identity) (authz.Extra, error) {
	trusted, admitted := j.sources[id.Source]
	if !admitted {
		return authz.Extra{}, fmt.Errorf("rule %s does not admit source %q, which authenticated", j.rule, id.Source)
	}
	accused := suspect(r, id, trusted)
	refused, err := firstHolding(ctx, j.deny, &accused)
	if err != nil {
		return authz.Extra{}, err
	}
	if refused != nil {
		return authz.Extra{}, &authz.Denial{Reason: authz.DeniedByRule, Detail: refused.detail}
	}
	who := believed(r, id, trusted)
	admits, err := firstHolding(ctx, j.allow, &who)
	if err != nil {
		return authz.Extra{}, err
	}
	if admits == nil && !j.report {
		return authz.Extra{}, &authz.Denial{Reason: authz.NotAllowed}
	}
	extra, err := j.extra(ctx, &who)
	if err == nil && admits == nil {
		err = &authz.Denial{Reason: authz.NotAllowed}
	}
	return extra, err
}

// firstHolding asks clauses in order. The first that cannot be answered ends it:
// what it would have said is not guessed.
func firstHolding(ctx context.Context, clauses []clause, who *caller) (*clause, error) {
	for i := range clauses {
		holds, err := clauses[i].holds(ctx, who)
		if err != nil {
			return nil, err
		}
		if holds {
			return &clauses[i], nil
		}
	}
	return nil, nil
}

// caller is an identity and the address that a list of clauses goes by, in lower
// case; "" when there is none.
type caller struct {
	*authz.Identity
	request       *authz.Request
	email, domain string
	verified      bool // somebody vouches for the address
	denying       bool
}

// believed is the caller as allow clauses see it: they go by an address that
// somebody vouches for.
func believed(r *authz.Request, id *authz.Identity, trusted bool) caller {
	c := caller{Identity: id, request: r, verified: trusted || id.EmailVerified}
	if c.verified {
		c.email, c.domain = address(id.Email)
	}
	return c
}

// suspect is the caller as deny clauses see it. They must not be escaped by
// saying less or less clearly: they go by an address that nobody verified, too.
func suspect(r *authz.Request, id *authz.Identity, trusted bool) caller {
	c := caller{Identity: id, request: r, verified: trusted || id.EmailVerified, denying: true}
	c.email, c.domain = address(strings.TrimRight(id.Email, "."))
	return c
}

// hides reports that a caller does not say, or not in one way only, what a deny
// clause reads.
func (c *caller) hides(clause *clause) bool {
	return c.denying && (clause.groups != nil && c.GroupsAbsent ||
		(clause.emails != nil || clause.domains != nil) && c.Email != "" && c.email == "")
}

// clause is a compiled [Clause]. Nil words are absent keys.
type clause struct {
	from     []string
	groups   *words
	emails   *words
	domains  *words
	subjects *words
	detail   string
	when     *expr // nil: absent
}

// holds reports whether the clause holds for a caller. Identities of other
// sources are none of its business, whatever they say.
func (c *clause) holds(ctx context.Context, who *caller) (bool, error) {
	if !slices.Contains(c.from, who.Source) {
		return false, nil
	}
	if c.groups != nil && who.GroupsUnknown {
		return false, &authz.Denial{Reason: authz.GroupsUnknown, Detail: "a clause of the rule reads groups"}
	}
	if who.hides(c) {
		return false, &authz.Denial{Reason: authz.DeniedByRule, Detail: "a deny clause reads what the credential does not say clearly"}
	}
	if !c.wordsHold(who) {
		return false, nil
	}
	if c.when == nil {
		return true, nil
	}
	return c.when.holds(ctx, who)
}

func (c *clause) wordsHold(who *caller) bool {
	return (c.groups == nil || slices.ContainsFunc(who.Groups, c.groups.fit)) &&
		(c.emails == nil || c.emails.fit(who.email)) &&
		(c.domains == nil || c.domains.fit(who.domain)) &&
		(c.subjects == nil || c.subjects.fit(who.Subject))
}

// words are the values of one key of a clause. Those without '*' are looked up,
// so that thousands of them cost what one does.
type words struct {
	literal  map[string]struct{}
	patterns []string
}

// newWords returns nil for an absent key, and words that fit nothing for an
// empty list.
func newWords(list []string) *words {
	if list == nil {
		return nil
	}
	w := &words{literal: map[string]struct{}{}}
	for _, s := range list {
		if strings.Contains(s, "*") {
			w.patterns = append(w.patterns, s)
		} else {
			w.literal[s] = struct{}{}
		}
	}
	return w
}

// fit never holds for the empty value: "*" means anything that was said.
func (w *words) fit(s string) bool {
	if _, ok := w.literal[s]; ok {
		return s != ""
	}
	return s != "" && slices.ContainsFunc(w.patterns, func(pattern string) bool { return wildcard(pattern, s) })
}

// address returns an e-mail address and its domain in lower case, or nothing if
// it does not hold exactly one '@' with text on both sides: of two, programs
// disagree about which one begins the domain.
func address(email string) (whole, domain string) {
	local, domain, found := strings.Cut(email, "@")
	if !found || local == "" || domain == "" || strings.Contains(domain, "@") {
		return "", ""
	}
	whole = lowerASCII(email)
	return whole, whole[len(local)+1:]
}

// lowerASCII leaves other letters alone: Unicode folds the Kelvin sign into
// 'k', which would make two addresses one.
func lowerASCII(s string) string {
	lower := []byte(s)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c | 0x20
		}
	}
	return string(lower)
}
