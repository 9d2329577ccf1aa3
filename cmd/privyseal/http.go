package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// directClient asks exactly the URL it is given: no proxy, no redirect. The
// caller's context bounds the time.
func directClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// withoutURL drops the URL, which may hold a password, from a client's error.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// fetchJWKS gets a key set, bounded in time and size.
func fetchJWKS(c *cobra.Command, address string) ([]byte, error) {
	const hint = "is this the URL of a key set, such as http://127.0.0.1:9080/.well-known/jwks.json?"
	ctx, cancel := context.WithTimeout(c.Context(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, failed(wrongUsage, hint, "this is not a URL")
	}
	answer, err := directClient().Do(request)
	if err != nil {
		return nil, failed(unreachable, hint, "no answer from %s: %v", request.URL.Redacted(), withoutURL(err))
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxInput))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	if err != nil {
		return nil, failed(unreachable, hint, "no key set from %s: %v", request.URL.Redacted(), err)
	}
	return text, nil
}

// isURL tells the URL of a key set from the name of a file.
func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && strings.HasPrefix(u.Scheme, "http")
}
