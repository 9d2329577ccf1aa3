package main

import (
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"privyseal/examples/idp"
)

func TestTakenPorts(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().(*net.TCPAddr).Port
	err = free([]use{{taken, "envoy-port", "Envoy"}, {taken, "idp-port", "the identity provider"}})
	if err == nil {
		t.Fatal("a taken port passes as free")
	}
	for _, want := range []string{"for Envoy", "-envoy-port", "for the identity provider", "-idp-port"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	listener.Close()
	if err := free([]use{{taken, "a", "one"}, {taken, "b", "another"}}); err == nil {
		t.Error("one port passes for two uses")
	}
	if err := free([]use{{taken, "a", "one"}}); err != nil {
		t.Error(err)
	}
}

// The text names the ports that were chosen and nothing that is not filled in.
func TestTell(t *testing.T) {
	set := flag.NewFlagSet("", flag.ContinueOnError)
	o := flags(set)
	if err := set.Parse([]string{"-envoy-port", "18000", "-idp-port", "19002"}); err != nil {
		t.Fatal(err)
	}
	o.privyseal = "/elsewhere/privyseal"
	var out strings.Builder
	if err := tell(&out, o, place{"/repository", "/repository/.cache/demo"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"http://whoami.localhost:18000/demo/signin", "http://127.0.0.1:19002/token?user=alice", "/elsewhere/privyseal keys generate"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "no value") || strings.Contains(out.String(), "{{") {
		t.Errorf("something is not filled in:\n%s", out.String())
	}
}

// Whoever is chosen on the page gets that person's token as a cookie.
func TestSignIn(t *testing.T) {
	provider, err := idp.New(idp.Options{Issuer: "http://127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	issuer := httptest.NewServer(provider)
	defer issuer.Close()
	handler := withSignIn(http.NotFoundHandler(), issuer.URL)

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, signInPath, nil))
	for _, p := range idp.Personas() {
		if !strings.Contains(w.Body.String(), p.Name) {
			t.Errorf("%s cannot be chosen", p.Name)
		}
	}
	choose := func(user string) *http.Response {
		r := httptest.NewRequest(http.MethodPost, signInPath, strings.NewReader(url.Values{"user": {user}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Result()
	}
	chosen := choose("bob")
	if cookies := chosen.Cookies(); chosen.StatusCode != http.StatusSeeOther || len(cookies) != 1 || cookies[0].Name != signInCookie || strings.Count(cookies[0].Value, ".") != 2 {
		t.Errorf("%s %v", chosen.Status, chosen.Header)
	}
	if nobody := choose("eve"); nobody.StatusCode != http.StatusBadGateway || len(nobody.Cookies()) != 0 {
		t.Errorf("nobody: %s %v", nobody.Status, nobody.Header)
	}
}
