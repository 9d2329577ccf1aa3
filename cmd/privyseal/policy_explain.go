package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"privyseal"
	"privyseal/authz"
	"privyseal/authz/policy"
)

func policyExplainCommand(environ []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "explain METHOD URL",
		Short: "Tell what the rules make of a request, and why",
		Long: `Tell what the rules make of a request, and why: which rule owns it, what each of
its clauses says of the caller, and what the application would be told. The rules
are those of a configuration, decided by what serve decides by; nobody is asked,
nothing is signed, keys and issuers are not needed.

Who is calling is said by flags, or named from a file of cases (see test). The
exit status is 0 if the request would be let through, 1 if not.`,
		Example: `  privyseal policy explain GET https://orders.example.com/v1/list --source corp --subject alice --group staff
  privyseal policy explain GET https://orders.example.com/v1/list --cases rules_test.yaml --as alice`,
		Args: arguments(2, 2),
	}
	config := c.Flags().String("config", "", "the configuration `file`")
	headers := c.Flags().StringArrayP("header", "H", nil, "a request header, `'name: value'`; may be repeated")
	extensions := c.Flags().StringArray("context", nil, "a context extension of the route, `key=value`; may be repeated")
	client := c.Flags().String("client", "", "`IP` address of the client")
	now := c.Flags().String("now", "", "the `time` of the request, as 2026-01-05T09:00:00Z; default the present")
	who := callerFlags(c)
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		q, err := question(args[0], args[1], *headers, *extensions, *client)
		if err != nil {
			return err
		}
		if *now == "" {
			*now = time.Now().UTC().Format(time.RFC3339)
		}
		asked := policy.CaseRequest{Request: args[0] + " " + args[1], Headers: map[string]string{}, Client: *client, Extensions: q.Extensions}
		for name, values := range q.Header {
			asked.Headers[strings.ToLower(name)] = strings.Join(values, ",") // as Envoy does
		}
		trial, err := who.try(c, environ, *config, asked, *now)
		if err != nil {
			return err
		}
		told := explain(trial)
		if *output == "json" {
			err = writeJSON(c.OutOrStdout(), told)
		} else {
			told.write(c.OutOrStdout())
		}
		if err == nil && trial.Decision.Grant() == nil {
			err = &failure{status: no}
		}
		return err
	}
	return c
}

// caller is who asks, by flags.
type caller struct {
	cases, name string
	identity    policy.CaseIdentity
	claims      []string
}

func callerFlags(c *cobra.Command) *caller {
	who, f := &caller{}, c.Flags()
	f.StringVar(&who.cases, "cases", "", "a `file` of cases whose identities --as names")
	f.StringVar(&who.name, "as", "", "the `name` of an identity in --cases")
	f.StringVar(&who.identity.Source, "source", "", "the identity source that knows the caller; without it nobody is calling")
	f.StringVar(&who.identity.Subject, "subject", "", "the caller's `name` at the source")
	f.StringArrayVar(&who.identity.Groups, "group", nil, "a group of the caller; may be repeated; without one the source says nothing of groups")
	f.StringVar(&who.identity.Email, "email", "", "the caller's `address`")
	f.BoolVar(&who.identity.EmailVerified, "email-verified", false, "the source vouches for the address")
	f.StringVar(&who.identity.ACR, "acr", "", "how strongly the caller authenticated")
	f.StringArrayVar(&who.claims, "claim", nil, "a further claim, `name=value`, the value as JSON or as text; may be repeated")
	return who
}

// misused says that the flags about the caller do not fit together.
func (who *caller) misused() error {
	const hint = "say --cases FILE --as NAME, or --source NAME --subject NAME; without either nobody is calling"
	switch {
	case (who.cases == "") != (who.name == ""):
		return failed(wrongUsage, hint, "--cases and --as need each other")
	case who.cases != "" && who.identity.Source != "":
		return failed(wrongUsage, hint, "--cases and --source both say who is calling")
	case (who.identity.Source == "") != (who.identity.Subject == ""):
		return failed(wrongUsage, hint, "--source and --subject need each other")
	}
	return nil
}

// try makes one case of the request, so that it takes the way that cases take.
func (who *caller) try(c *cobra.Command, environ []string, named string, r policy.CaseRequest, now string) (*policy.Trial, error) {
	if err := who.misused(); err != nil {
		return nil, err
	}
	one := policy.Case{Name: "explain", Requests: []policy.CaseRequest{r}, Expect: policy.Expectation{Outcome: string(authz.Allow)}}
	file := &privyseal.CaseFile{}
	switch {
	case who.cases != "":
		var err error
		if file, err = privyseal.LoadCases(privyseal.LoadOptions{Path: who.cases}); err != nil {
			return nil, mistaken(c, err)
		}
		one.As = policy.Callers{who.name}
	case who.identity.Source != "":
		if err := who.readClaims(); err != nil {
			return nil, err
		}
		file.Identities, one.As = map[string]policy.CaseIdentity{"caller": who.identity}, policy.Callers{"caller"}
	}
	file.Version, file.Cases.Cases = 1, []policy.Case{one}
	if file.Now == "" || c.Flags().Changed("now") {
		file.Now = now
	}
	if named == "" {
		named = file.Config
	}
	report, err := file.Run(c.Context(), func(now func() time.Time) (*policy.Rehearsal, error) {
		_, h, err := loadRules(c, environ, named, now)
		return h, err
	}, nil)
	if told := (*failure)(nil); errors.As(err, &told) {
		return nil, err
	}
	if err != nil {
		return nil, failed(wrongUsage, "`"+c.CommandPath()+" --help` lists the flags", "%s", plainly(err))
	}
	return &report.Results[0].Trial, nil
}

// plainly says what is wrong with an option that was no option but a flag.
func plainly(err error) string {
	var option *authz.OptionError
	if errors.As(err, &option) {
		return strings.TrimPrefix(strings.TrimPrefix(option.Path, "identities.caller."), "cases[0].") + ": " + option.Err.Error()
	}
	return err.Error()
}

func (who *caller) readClaims() error {
	for i, claim := range who.claims {
		name, text, ok := strings.Cut(claim, "=")
		if !ok || name == "" {
			return failed(wrongUsage, "write it like --claim tenant=acme", "claim %d has no name and equals sign", i+1)
		}
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var value any
		if err := d.Decode(&value); err != nil || d.More() {
			value = text
		}
		if who.identity.Claims == nil {
			who.identity.Claims = map[string]any{}
		}
		who.identity.Claims[name] = value
	}
	return nil
}

// explanation is a trial in JSON.
type explanation struct {
	Outcome   string            `json:"outcome"`
	Reason    string            `json:"reason"`
	Detail    string            `json:"detail,omitempty"`
	Cause     string            `json:"cause,omitempty"`
	WouldDeny string            `json:"would_deny,omitempty"`
	Rule      string            `json:"rule,omitempty"`
	Match     string            `json:"match,omitempty"`
	Clauses   []clause          `json:"clauses,omitempty"`
	Claims    json.RawMessage   `json:"claims,omitempty"`
	Set       map[string]string `json:"set,omitempty"`
	Remove    []string          `json:"remove,omitempty"`
}

type clause struct {
	Clause  string `json:"clause"`
	Holds   bool   `json:"holds"`
	Decides bool   `json:"decides"`
	Error   string `json:"error,omitempty"`
	Keys    []key  `json:"keys"`
}

type key struct {
	Key    string  `json:"key"`
	Holds  bool    `json:"holds"`
	Error  string  `json:"error,omitempty"`
	Values []value `json:"values,omitempty"`
}

type value struct {
	Text   string `json:"text"`
	Value  string `json:"value"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

func explain(t *policy.Trial) *explanation {
	rec := &t.Decision.Record
	told := &explanation{
		Outcome: string(rec.Outcome), Reason: string(rec.Reason), Detail: rec.Detail, Cause: rec.Cause,
		WouldDeny: string(rec.WouldDeny), Rule: rec.Rule, Match: rec.Pattern, Claims: t.Claims,
	}
	for _, c := range t.Explanation.Clauses {
		one := clause{Clause: c.Path, Holds: c.Holds, Decides: c.Decides, Error: reasonOf(c.Err)}
		for _, k := range c.Keys {
			part := key{Key: k.Name, Holds: k.Holds, Error: reasonOf(k.Err)}
			for _, v := range k.Values {
				part.Values = append(part.Values, value{v.Text, v.Value, v.Line, v.Column})
			}
			one.Keys = append(one.Keys, part)
		}
		told.Clauses = append(told.Clauses, one)
	}
	if grant := t.Decision.Grant(); grant != nil {
		told.Set, told.Remove = map[string]string{}, slices.Sorted(slices.Values(grant.Remove()))
		for _, f := range t.Headers {
			told.Set[f.Name] = f.Value
		}
	}
	return told
}

// reasonOf is an error with its cause; "" if there is none.
func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	if cause := errors.Unwrap(err); cause != nil {
		return cause.Error()
	}
	return err.Error()
}
