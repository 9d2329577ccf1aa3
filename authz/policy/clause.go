package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"

	"privyseal/authz"
)

// clauses compiles one list of clauses of a rule that admits the named sources.
func (c *compiler) clauses(path string, list Clauses, admitted []string, deny bool) []clause {
	if len(list) > maxValues {
		c.wrongf(path, "has %d clauses, over %d", len(list), maxValues)
	}
	compiled := make([]clause, 0, len(list))
	for i := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if list[i].Detail != "" && !deny {
			c.wrongf(at+".detail", "belongs to deny clauses; whoever is not allowed is told the rule's explain")
		}
		compiled = append(compiled, c.clause(at, &list[i], admitted))
	}
	return compiled
}

func (c *compiler) clause(path string, o *Clause, admitted []string) clause {
	if o.From == nil && o.Groups == nil && o.Emails == nil && o.Domains == nil && o.Subjects == nil && !o.Authenticated && o.When == "" {
		c.wrongf(path, "has no key that says who; for every caller say authenticated: true")
	}
	c.text(path+".detail", o.Detail, maxDetail)
	return clause{
		from:     c.from(path+".from", o.From, admitted),
		groups:   newWords(c.values(path+".groups", o.Groups, pattern)),
		emails:   newWords(c.values(path+".emails", o.Emails, emailPattern)),
		domains:  newWords(c.values(path+".domains", o.Domains, mailDomain)),
		subjects: newWords(c.values(path+".subjects", o.Subjects, pattern)),
		detail:   o.Detail,
		when:     c.when(path, o.When),
	}
}

// when compiles the condition of a clause.
func (c *compiler) when(path, text string) *expr {
	if text == "" {
		return nil
	}
	return c.expression(path+".when", text, cel.BoolType)
}

// expression compiles an expression at a path. The language is made when the
// first rule wants it.
func (c *compiler) expression(path, text string, results ...*cel.Type) *expr {
	if c.expressions == nil {
		made, err := newExpressions(c.env.Now)
		if err != nil {
			c.wrongf(path, "cannot be compiled: %v", err)
			return nil
		}
		c.expressions = made
	}
	compiled, err := c.expressions.compile(inRule(path), text, results...)
	c.wrong(path, err)
	return compiled
}

// inRule cuts the rule from the path of an option: a record names it already.
func inRule(path string) string {
	for _, key := range [...]string{".deny", ".allow", ".claims"} {
		if i := strings.LastIndex(path, "]"+key); i >= 0 {
			return path[i+2:]
		}
	}
	return path
}

// from returns the sources a clause is about. Where several are admitted it
// must say so itself, because a group of one source is another group elsewhere.
func (c *compiler) from(path string, from, admitted []string) []string {
	if from == nil {
		if len(admitted) > 1 {
			c.wrongf(path, "is missing: the rule admits %s, and groups, e-mail and subjects of one are not those of another", strings.Join(admitted, ", "))
		}
		return slices.Clone(admitted)
	}
	for i, name := range from {
		at := fmt.Sprintf("%s[%d]", path, i)
		if _, known := c.sources[name]; known && !slices.Contains(admitted, name) {
			c.wrongf(at, "source %s is not admitted by the rule, which authenticates %s", name, strings.Join(admitted, ", "))
		} else if !known {
			c.wrong(at, unknown("source", name, admitted))
		}
	}
	return slices.Clone(from)
}

// values compiles a list, keeping nil (absent) apart from empty (nobody).
func (c *compiler) values(path string, list []string, compile func(string) (string, error)) []string {
	if list == nil {
		return nil
	}
	if len(list) > maxValues {
		c.wrongf(path, "has %d entries, over %d", len(list), maxValues)
	}
	compiled := make([]string, 0, len(list))
	for i, text := range list {
		value, err := compile(text)
		c.wrong(fmt.Sprintf("%s[%d]", path, i), err)
		compiled = append(compiled, value)
	}
	return compiled
}

// pattern accepts a group or subject, in which '*' is a wildcard.
func pattern(text string) (string, error) {
	switch {
	case text == "":
		return "", errors.New("is empty")
	case len(text) > maxValue:
		return "", fmt.Errorf("is longer than %d bytes", maxValue)
	case strings.Contains(text, "**"):
		return "", errors.New(`holds "**", which has a meaning in paths only; '*' stays within a segment`)
	}
	return text, nil
}

// emailPattern accepts an address, in which '*' is a wildcard. With exactly one
// '@' here and in what is compared, no '*' reaches across it.
func emailPattern(text string) (string, error) {
	whole, _ := address(text)
	if whole == "" {
		return "", errors.New(`is not an address with exactly one '@'; for all of a domain use domains, or "*@" and the domain`)
	}
	return pattern(whole)
}

// mailDomain accepts the domain of addresses.
func mailDomain(text string) (string, error) {
	name, err := authz.CanonicalHost(text)
	if err != nil || name != lowerASCII(text) {
		return "", errors.New("is not a domain name, without '@' and '*'; subdomains are named one by one")
	}
	return name, nil
}
