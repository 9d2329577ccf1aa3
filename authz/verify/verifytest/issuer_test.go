package verifytest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"privyseal/authz/verify"
	"privyseal/authz/verify/verifytest"
)

func Example() {
	issuer := verifytest.NewIssuer()
	defer issuer.Close()
	verifier := issuer.Verifier("orders")
	try := func(what, assertion string) {
		a, err := verifier.Verify(context.Background(), assertion, nil)
		if err != nil {
			fmt.Printf("%s: %v\n", what, err)
			return
		}
		fmt.Printf("%s: %s %v\n", what, a.Subject, a.Groups)
	}

	try("good", issuer.Assertion("orders", "ann", map[string]any{"groups": []string{"staff"}}))
	try("no exp", issuer.Assertion("orders", "ann", map[string]any{"exp": nil}))
	try("expired", issuer.Assertion("orders", "ann", map[string]any{"exp": time.Now().Unix() - 61, "iat": time.Now().Unix() - 120}))

	issuer.Break(http.NotFoundHandler()) // an outage: keys at hand stay good
	try("outage", issuer.Assertion("orders", "ann", nil))
	issuer.Break(nil)

	issuer.Rotate()
	try("new key", issuer.Assertion("orders", "ann", nil))
	// Output:
	// good: ann [staff]
	// no exp: claims not accepted: exp is missing or not a whole number of seconds
	// expired: claims not accepted: has expired
	// outage: ann []
	// new key: ann []
}

func TestDiscoverableAndRetire(t *testing.T) {
	issuer := verifytest.NewIssuer()
	defer issuer.Close()
	old := issuer.Sign(nil)
	issuer.Rotate()
	issuer.Retire()
	keys := verify.Discover(issuer.URL, verify.Options{})
	defer keys.Close()
	if _, err := keys.Verify(t.Context(), issuer.Sign(nil)); err != nil {
		t.Error(err)
	}
	if _, err := keys.Verify(t.Context(), old); !errors.Is(err, verify.ErrUnknownKey) {
		t.Errorf("retired key: %v", err)
	}
	if issuer.KeyID() != "key-2" || issuer.Fetches() != 2 {
		t.Errorf("key %s, %d fetches", issuer.KeyID(), issuer.Fetches())
	}
}
