package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"privyseal/envoy"
)

func healthCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "health",
		Short: "Ask a running service whether it is ready",
		Long: `Ask a running service whether it is ready, over gRPC as Envoy does, or at the
/readyz of its admin listener. Made for the health check of a container.

The exit status is 0 if it is ready, 1 if it says it is not, 3 if it does not
answer.`,
		Args: arguments(0, 0),
	}
	t := targetFlags(c)
	admin := c.Flags().String("admin", "", "ask the admin listener at this `URL` instead, such as http://127.0.0.1:9090")
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		ask := func() (string, bool, error) { return t.health(c) }
		if *admin != "" {
			ask = func() (string, bool, error) { return adminHealth(c.Context(), *admin, t.timeout) }
		}
		status, ready, err := ask()
		if err != nil {
			return err
		}
		if *output == "json" {
			err = writeJSON(c.OutOrStdout(), map[string]any{"ready": ready, "status": status})
		} else {
			_, err = fmt.Fprintln(c.OutOrStdout(), printable(status))
		}
		if err == nil && !ready {
			err = &failure{status: no}
		}
		return err
	}
	return c
}

// health asks over gRPC, about the service that Envoy calls.
func (t *target) health(c *cobra.Command) (status string, ready bool, err error) {
	ctx, conn, done, err := t.connect(c)
	if err != nil {
		return "", false, err
	}
	defer done()
	answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: envoy.ServiceName})
	if err != nil {
		return "", false, t.lost(err)
	}
	return strings.ToLower(answer.GetStatus().String()), answer.GetStatus() == healthpb.HealthCheckResponse_SERVING, nil
}

// adminHealth asks /readyz.
func adminHealth(ctx context.Context, base string, timeout time.Duration) (status string, ready bool, err error) {
	const hint = "--admin is a URL such as http://127.0.0.1:9090: is this the service's listen.admin?"
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", false, failed(wrongUsage, hint, "--admin is not an http or https URL")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath("readyz").String(), nil)
	if err != nil {
		return "", false, failed(wrongUsage, hint, "--admin is not an http or https URL")
	}
	answer, err := directClient().Do(request)
	if err != nil {
		return "", false, failed(unreachable, hint, "no answer from %s: %v", u.Redacted(), withoutURL(err))
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil {
		return "", false, failed(unreachable, hint, "no answer from %s: %v", u.Redacted(), err)
	}
	switch answer.StatusCode {
	case http.StatusOK, http.StatusServiceUnavailable:
		return strings.TrimSpace(string(text)), answer.StatusCode == http.StatusOK, nil
	}
	return "", false, failed(unreachable, hint, "%s answers with status %d, which no admin listener does", u.Redacted(), answer.StatusCode)
}
