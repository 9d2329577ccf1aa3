package idp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"privyseal/examples/idp"
)

// start serves a provider at a URL that is its issuer.
func start(t *testing.T) (issuer string) {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	provider, err := idp.New(idp.Options{Issuer: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	handler = provider
	return server.URL
}

func post(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Post(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

// An independent client discovers the provider and verifies its tokens.
func TestTokens(t *testing.T) {
	issuer := start(t)
	provider, err := oidc.NewProvider(t.Context(), issuer)
	if err != nil {
		t.Fatal(err)
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: "api"})
	for _, want := range idp.Personas() {
		status, token := post(t, issuer+"/token?user="+want.ID)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", want.ID, status, token)
		}
		verified, err := verifier.Verify(t.Context(), token)
		if err != nil {
			t.Fatalf("%s: %v", want.ID, err)
		}
		var claims struct {
			Name, Email string
			Verified    bool `json:"email_verified"`
			Groups      []string
		}
		if err := verified.Claims(&claims); err != nil {
			t.Fatal(err)
		}
		if verified.Subject != want.ID || claims.Name != want.Name || claims.Email != want.Email || !claims.Verified {
			t.Errorf("%s: sub %s, claims %+v", want.ID, verified.Subject, claims)
		}
		if claims.Groups == nil || !slices.Equal(claims.Groups, want.Groups) {
			t.Errorf("%s: groups %#v, want %#v", want.ID, claims.Groups, want.Groups)
		}
		if life := verified.Expiry.Sub(verified.IssuedAt).Round(time.Minute); life != time.Hour {
			t.Errorf("%s: valid for %v", want.ID, life)
		}
	}
}

func TestNoToken(t *testing.T) {
	issuer := start(t)
	if status, body := post(t, issuer+"/token?user=eve"); status != http.StatusNotFound {
		t.Errorf("unknown person: %d %s", status, body)
	}
	resp, err := http.Get(issuer + "/token?user=alice") // a link in a page must not make one
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		t.Error("GET makes a token")
	}
}
