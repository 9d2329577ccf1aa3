package verify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"privyseal/authz/verify"
	"privyseal/authz/verify/verifytest"
)

// An application greets whoever privyseal vouches for, and nobody else.
func ExampleVerifier_Middleware() {
	issuer := verifytest.NewIssuer() // stands for privyseal
	defer issuer.Close()

	keys := verify.Remote(issuer.KeySetURL(), verify.Options{})
	defer keys.Close()
	verifier, err := verify.New(verify.Config{Issuer: issuer.URL, Audience: "orders", Keys: keys})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := verifier.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := verify.FromContext(r.Context())
		fmt.Fprintf(w, "hello %s of %v", caller.Subject, caller.Groups)
	}))

	for _, assertion := range []string{
		issuer.Assertion("orders", "ann", map[string]any{"groups": []string{"staff"}}),
		issuer.Assertion("billing", "ann", nil), // made for another application
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(verify.DefaultHeader, assertion)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 hello ann of [staff]
	// 401 no valid identity assertion
}

// An assertion that is bound to its request is of no use with another.
func ExampleConfig_bind() {
	issuer := verifytest.NewIssuer()
	defer issuer.Close()

	keys := verify.Remote(issuer.KeySetURL(), verify.Options{})
	defer keys.Close()
	verifier, err := verify.New(verify.Config{
		Issuer: issuer.URL, Audience: "orders", Keys: keys,
		Bind: []string{"method", "path"}, // what the rule's bind says
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	read := httptest.NewRequest("GET", "/orders/1", nil)
	assertion := issuer.Assertion("orders", "ann", map[string]any{"req": verifytest.Bind(read, "method", "path")})

	for _, r := range []*http.Request{read, httptest.NewRequest("DELETE", "/orders/1", nil)} {
		_, err := verifier.Verify(context.Background(), assertion, r)
		fmt.Println(err)
	}
	_, err = verifier.Verify(context.Background(), issuer.Assertion("orders", "ann", nil), read)
	fmt.Println(err)
	// Output:
	// <nil>
	// not for this request: another method or path than it was made for
	// not for this request: not bound to the method, as this application demands: list it under bind in the rule
}

// Static keys need no network: in a test, or where the key set is a file.
func ExampleStatic() {
	issuer := verifytest.NewIssuer()
	defer issuer.Close()

	keys, err := verify.Static(issuer.KeySet())
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := verify.New(verify.Config{Issuer: issuer.URL, Audience: "orders", Keys: keys})
	if err != nil {
		fmt.Println(err)
		return
	}
	token := issuer.Assertion("orders", "ann", nil)
	issuer.Rotate()
	later := issuer.Assertion("orders", "ann", nil) // by a key that the file does not have

	_, err = verifier.Verify(context.Background(), token, nil)
	fmt.Println(err)
	_, err = verifier.Verify(context.Background(), later, nil)
	fmt.Println(errors.Is(err, verify.ErrUnknownKey))
	// Output:
	// <nil>
	// true
}
