package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"privyseal/envoy"
)

func checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check METHOD URL",
		Short: "Ask a running service about a request, as Envoy would",
		Long: `Ask a running service about a request, as Envoy would, and show what Envoy would
do. Whoever may ask may obtain assertions: the service takes such questions from
where its listen.grpc says only.

The exit status is 0 if the request would be let through, 1 if not, 3 if the
service does not answer.`,
		Example: `  privyseal check GET https://orders.example.com/v1/list -H "authorization: Bearer $TOKEN"`,
		Args:    arguments(2, 2),
	}
	t := targetFlags(c)
	headers := c.Flags().StringArrayP("header", "H", nil, "a request header, `'name: value'`; may be repeated")
	extensions := c.Flags().StringArray("context", nil, "a context extension of the route, `key=value`; may be repeated")
	client := c.Flags().String("client", "", "`IP` address of the client")
	whole := c.Flags().Bool("show-assertion", false, "show signed tokens and cookies whole: whoever sees them can use them")
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		q, err := question(args[0], args[1], *headers, *extensions, *client)
		if err != nil {
			return err
		}
		ctx, conn, done, err := t.connect(c)
		if err != nil {
			return err
		}
		defer done()
		answer, err := envoy.NewClient(conn).Check(ctx, q)
		if err != nil {
			return t.lost(errors.Unwrap(err))
		}
		if !*whole {
			shorten(answer)
		}
		if *output == "json" {
			err = writeJSON(c.OutOrStdout(), verdictOf(answer))
		} else {
			err = table(c.OutOrStdout(), answerRows(answer))
		}
		if err == nil && !answer.Allowed {
			err = &failure{status: no}
		}
		return err
	}
	return c
}

// question reads the arguments. Its errors repeat none: headers and queries
// hold credentials.
func question(method, rawURL string, headers, extensions []string, client string) (envoy.Question, error) {
	q := envoy.Question{Method: method, Header: http.Header{}, Extensions: map[string]string{}, Client: client}
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return q, failed(wrongUsage, "write it like https://orders.example.com/v1/list", "the URL is not an http or https URL with a host")
	}
	q.URL = u
	for i, header := range headers {
		name, value, ok := strings.Cut(header, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return q, failed(wrongUsage, "write it like -H 'authorization: Bearer …'", "header %d has no name and colon", i+1)
		}
		q.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	for i, extension := range extensions {
		key, value, ok := strings.Cut(extension, "=")
		if !ok || key == "" {
			return q, failed(wrongUsage, "write it like --context audience=orders", "context extension %d has no key and equals sign", i+1)
		}
		q.Extensions[key] = value
	}
	if _, err := netip.ParseAddr(client); client != "" && err != nil {
		return q, failed(wrongUsage, "write it like --client 192.0.2.1", "--client is not an IP address")
	}
	return q, nil
}

// verdict is an answer in JSON.
type verdict struct {
	Allowed         bool              `json:"allowed"`
	Status          int               `json:"status,omitempty"` // of the response, unless allowed
	Set             map[string]string `json:"set,omitempty"`
	Remove          []string          `json:"remove,omitempty"`
	ResponseHeaders http.Header       `json:"response_headers,omitempty"`
	Body            string            `json:"body,omitempty"`
	Metadata        map[string]any    `json:"metadata,omitempty"`
}

func verdictOf(a *envoy.Answer) verdict {
	return verdict{a.Allowed, a.Status, a.Set, a.Remove, a.Header, a.Body, a.Metadata}
}

func answerRows(a *envoy.Answer) [][]string {
	word := "allowed"
	if !a.Allowed {
		word = fmt.Sprintf("denied with status %d", a.Status)
	}
	rows := [][]string{{"verdict", word}}
	for _, key := range []string{"reason", "would_deny", "rule", "source", "subject", "audience", "decision_id"} {
		if value, ok := a.Metadata[key].(string); ok {
			rows = append(rows, []string{strings.TrimSuffix(key, "_id"), value})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Set)) {
		rows = append(rows, []string{"set", name + ": " + a.Set[name]})
	}
	for _, name := range slices.Sorted(slices.Values(a.Remove)) {
		rows = append(rows, []string{"remove", name})
	}
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		for _, value := range a.Header[name] {
			rows = append(rows, []string{"respond", strings.ToLower(name) + ": " + value})
		}
	}
	return rows
}

// shorten leaves of tokens and cookies what tells them apart, and nothing that
// can be used.
func shorten(a *envoy.Answer) {
	for name, value := range a.Set {
		if strings.Count(value, ".") == 2 && strings.HasPrefix(value, "eyJ") {
			a.Set[name] = fmt.Sprintf("%s… (%d bytes)", value[:min(len(value), 12)], len(value))
		}
	}
	for i, cookie := range a.Header["Set-Cookie"] {
		name, rest, _ := strings.Cut(cookie, "=")
		_, attributes, _ := strings.Cut(rest, ";")
		a.Header["Set-Cookie"][i] = name + "=…;" + attributes
	}
}
