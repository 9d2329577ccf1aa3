package envoy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"privyseal/authz"
)

// TestAnswersBelongToTheirQuestions: memory is used again by many requests at
// once, of many sizes, and none sees anything of another.
func TestAnswersBelongToTheirQuestions(t *testing.T) {
	rule := signing()
	rule.Authenticate = []authz.Authenticator{authenticate(func(_ context.Context, r *authz.Request, _ *authz.Effects) (*authz.Identity, error) {
		name, err := authz.SingleValue(r.Headers, "x-name")
		if err != nil || name == "" {
			return nil, &authz.Denial{Reason: authz.Unauthenticated, Detail: "asked for " + r.RawPath}
		}
		return authz.NewIdentity(authz.Identity{Source: "corp", Subject: strings.Clone(name)}), nil
	})}
	client := NewClient(serve(t, authorizer(t, rule)))
	var asking sync.WaitGroup
	for worker := range 8 {
		asking.Go(func() {
			for i := range 60 {
				name := fmt.Sprintf("caller-%d-%d-%s", worker, i, strings.Repeat("n", worker*i))
				q := question(t, "GET", "https://app.example/"+name)
				if i%3 > 0 {
					q.Header = map[string][]string{"x-name": {name}, "x-padding": {strings.Repeat("p", 1000*(i%7))}}
				}
				answer, err := client.Check(t.Context(), q)
				switch {
				case err != nil:
					t.Error(err)
				case i%3 > 0 && (!answer.Allowed || answer.Set["x-user"] != name || answer.Metadata["subject"] != name):
					t.Errorf("%s: %+v", name, answer)
				case i%3 == 0 && (answer.Allowed || !strings.Contains(answer.Body, "asked for /"+name+`"`)):
					t.Errorf("%s: %+v", name, answer)
				}
			}
		})
	}
	asking.Wait()
}
