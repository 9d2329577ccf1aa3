package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"privyseal/authz/verify"
)

func tokenVerifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify --issuer ISSUER --audience AUDIENCE --jwks URL|FILE [TOKEN|-]",
		Short: "Verify an identity assertion as an application would",
		Long: `Verify an identity assertion as an application would that uses package verify.
Without an argument the assertion is read from standard input.

The exit status is 0 if an application should accept it, 1 if not, 3 if no keys
could be fetched.`,
		Args: arguments(0, 1),
	}
	issuer := c.Flags().String("issuer", "", "the iss it must have; required")
	audience := c.Flags().String("audience", "", "the aud it must have; required")
	jwks := c.Flags().String("jwks", "", "`URL or file` of the key set; required")
	timeout := c.Flags().Duration("timeout", 10*time.Second, "how long to wait for the key set")
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if *issuer == "" || *audience == "" || *jwks == "" {
			return failed(wrongUsage, "an assertion is good for one issuer and one audience, and by one key set", "--issuer, --audience and --jwks are required")
		}
		token, err := readToken(c, args)
		if err != nil {
			return err
		}
		keys, err := keySet(*jwks)
		if err != nil {
			return err
		}
		defer keys.Close()
		ctx, cancel := context.WithTimeout(c.Context(), *timeout)
		defer cancel()
		assertion, err := verifyToken(ctx, keys, *issuer, *audience, token)
		if err != nil {
			return err
		}
		if *output == "json" {
			return writeJSON(c.OutOrStdout(), map[string]any{"verified": true, "kid": assertion.KeyID, "claims": assertion.Claims})
		}
		say(c, "verified: signed by key %s", assertion.KeyID)
		return table(c.OutOrStdout(), memberRows(nil, "claim", assertion.Claims, time.Now()))
	}
	return c
}

func verifyToken(ctx context.Context, keys *verify.KeySet, issuer, audience, token string) (*verify.Assertion, error) {
	verifier, err := verify.New(verify.Config{Issuer: issuer, Audience: audience, Keys: keys})
	if err != nil {
		return nil, failed(wrongUsage, "", "%v", err)
	}
	assertion, err := verifier.Verify(ctx, token, nil)
	switch {
	case err == nil:
		return assertion, nil
	case errors.Is(err, verify.ErrUnavailable):
		return nil, failed(unreachable, "is this the URL of a key set, reachable from here?", "not verified: %v", err)
	case errors.Is(err, verify.ErrUnknownKey):
		return nil, failed(no, "the key set is another's, or the signing key is not published there yet", "not accepted: %v", err)
	}
	return nil, failed(no, "`privyseal token decode` shows what it says", "not accepted: %v", err)
}

// keySet opens the key set at a URL or in a file.
func keySet(name string) (*verify.KeySet, error) {
	if strings.Contains(name, "://") {
		if err := verify.ValidURL(name, false); err != nil {
			return nil, failed(wrongUsage, "keys come over https, or over http from this host", "--jwks: %v", err)
		}
		return verify.Remote(name, verify.Options{}), nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, failed(wrongUsage, "name a file that holds a JWK Set, or its URL", "--jwks: the file cannot be read: %v", errors.Unwrap(err))
	}
	keys, err := verify.Static(text)
	if err != nil {
		return nil, failed(wrongUsage, "`privyseal keys jwks` writes the key set of a key file", "--jwks: %v", err)
	}
	return keys, nil
}
