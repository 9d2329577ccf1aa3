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

// TestLoginRefusals: what is no login of a registered client, or of nobody the
// provider knows, leads nowhere.
func TestLoginRefusals(t *testing.T) {
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	provider, err := idp.New(idp.Options{Issuer: server.URL, Clients: []idp.Client{{ID: "shop", Secret: "s", RedirectURIs: []string{"https://shop.example/callback"}}}})
	if err != nil {
		t.Fatal(err)
	}
	handler = provider
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	authorize := func(id, redirect string) (status int, location string) {
		resp, err := client.Get(server.URL + "/authorize?response_type=code&scope=openid&state=s&client_id=" + id + "&redirect_uri=" + redirect)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Location")
	}
	for _, other := range [][2]string{{"nobody", "https://shop.example/callback"}, {"shop", "https://evil.example/callback"}} {
		if status, location := authorize(other[0], other[1]); status < 400 || location != "" {
			t.Errorf("%v: %d %s", other, status, location)
		}
	}
	status, location := authorize("shop", "https://shop.example/callback")
	if status != http.StatusFound || !strings.HasPrefix(location, "/login?request=") {
		t.Fatalf("%d %s", status, location)
	}
	for target, want := range map[string]int{location: http.StatusNotFound, "/login?request=x": http.StatusBadRequest} {
		resp, err := client.Post(server.URL+target, "application/x-www-form-urlencoded", strings.NewReader("user=eve"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s as eve: %d, want %d", target, resp.StatusCode, want)
		}
	}
}
