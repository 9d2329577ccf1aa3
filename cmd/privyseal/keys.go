package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"privyseal/keys"
)

// parseKeys reads private keys, PEM or base64 of PEM. The published sample key
// may be looked at.
func parseKeys(text []byte) (*keys.Set, error) {
	set, err := keys.Parse(text, keys.ParseOptions{AllowSample: true})
	if err != nil {
		return nil, failed(no, "`privyseal keys generate` makes a key", "no usable keys: %v", err)
	}
	return set, nil
}

// keyRow is one key as inspect shows it.
type keyRow struct {
	Position  int    `json:"position"`
	Role      string `json:"role"`
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
}

// The roles of keys: the first private one signs, all are published.
const (
	signs     = "signs"
	published = "published"
)

// rowsOfSet lists the keys of a signing key file.
func rowsOfSet(set *keys.Set) []keyRow {
	var rows []keyRow
	for i, key := range set.Keys() {
		role := published
		if i == 0 {
			role = signs
		}
		rows = append(rows, keyRow{i + 1, role, key.Algorithm(), key.KeyID()})
	}
	return rows
}

// rowsOfJWKS lists the keys of a JWK Set (RFC 7517 section 5) as it says them.
func rowsOfJWKS(text []byte) ([]keyRow, error) {
	var set struct {
		Keys []struct {
			Kid, Alg string
			D        any // only private keys have it
		}
	}
	if json.Unmarshal(text, &set) != nil || set.Keys == nil {
		return nil, failed(no, "name a key set, or a file of PEM keys", "not a JWK Set: JSON without a list of keys")
	}
	rows := []keyRow{}
	for i, key := range set.Keys {
		if key.D != nil {
			return nil, failed(no, "publish the output of `privyseal keys jwks` instead, and replace the key", "key %d of the set is a private key", i+1)
		}
		rows = append(rows, keyRow{i + 1, published, key.Alg, key.Kid})
	}
	return rows, nil
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
