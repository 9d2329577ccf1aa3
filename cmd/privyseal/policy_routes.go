package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"privyseal/authz"
	"privyseal/authz/policy"
)

func policyRoutesCommand(environ []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "routes [FILE]",
		Short: "Show what the rules do with which requests, in the order in which they are asked",
		Long: `Show what the rules do with which requests, in the order in which they are asked:
the first line that fits a request decides. What no line fits is denied. Who may
is said by the rule's clauses: see the command explain.`,
		Args: arguments(0, 1),
	}
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		_, h, err := loadRules(c, environ, first(args), nil)
		if err != nil {
			return err
		}
		routes := []route{}
		for _, r := range policy.Routes(h.Policy()) {
			routes = append(routes, routeOf(&r))
		}
		if *output == "json" {
			return writeJSON(c.OutOrStdout(), routes)
		}
		rows := [][]string{{"RULE", "HOSTS", "PATHS", "METHODS", "ELSE", "WHO", "AUDIENCE"}}
		for i := range routes {
			rows = append(rows, routes[i].row())
		}
		return table(c.OutOrStdout(), rows)
	}
	return c
}

// route is one line of the table, in JSON.
type route struct {
	Rule         string            `json:"rule"`
	Option       string            `json:"option"`
	Hosts        []string          `json:"hosts"`
	Paths        [][]string        `json:"paths,omitempty"` // of each list one must fit
	Methods      []string          `json:"methods,omitempty"`
	GRPC         bool              `json:"grpc,omitempty"`
	Networks     [][]netip.Prefix  `json:"networks,omitempty"` // of each list one must fit
	Extensions   map[string]string `json:"context_extensions,omitempty"`
	Access       string            `json:"access"` // public, authenticated, report or denied
	Authenticate []string          `json:"authenticate,omitempty"`
	Audience     string            `json:"audience,omitempty"`
	AudienceFrom string            `json:"audience_from,omitempty"`
	TTL          string            `json:"ttl,omitempty"`
}

func routeOf(r *policy.Route) route {
	line := route{
		Rule: r.Rule, Option: r.Path, Hosts: r.Hosts, Paths: r.Paths, Methods: r.Methods, GRPC: r.GRPC, Networks: r.Networks,
		Extensions: r.Extensions, Access: "authenticated", Authenticate: r.Authenticate, Audience: r.Audience,
	}
	switch {
	case r.Denies:
		line.Access = "denied"
	case r.Public:
		line.Access = "public"
	case r.Report:
		line.Access = "report"
	}
	if r.Denies || r.Public {
		return line
	}
	line.TTL = r.TTL.String()
	switch {
	case r.Audience != "":
	case r.AudienceFrom == authz.AudienceContext:
		line.AudienceFrom = "context"
	default:
		line.AudienceFrom = "host"
	}
	return line
}

func (r *route) row() []string {
	var paths, rest []string
	for _, globs := range r.Paths {
		paths = append(paths, strings.Join(globs, " "))
	}
	if r.GRPC {
		rest = append(rest, "grpc")
	}
	for _, networks := range r.Networks {
		rest = append(rest, "from "+strings.Trim(fmt.Sprint(networks), "[]"))
	}
	for _, key := range slices.Sorted(maps.Keys(r.Extensions)) {
		rest = append(rest, key+"="+r.Extensions[key])
	}
	who := r.Access
	if len(r.Authenticate) > 0 {
		who = strings.Join(r.Authenticate, " ")
	}
	if r.Access == "report" {
		who += " (report)"
	}
	audience := r.Audience
	if r.AudienceFrom != "" {
		audience = "from " + r.AudienceFrom
	}
	return []string{
		r.Rule, strings.Join(r.Hosts, " "), cmp.Or(strings.Join(paths, " & "), "any"), cmp.Or(strings.Join(r.Methods, " "), "any"),
		cmp.Or(strings.Join(rest, ", "), "-"), who, cmp.Or(audience, "-"),
	}
}
