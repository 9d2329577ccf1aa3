package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"privyseal/keys"
)

// TestStrangeAdminListeners: what is no answer about keys is none, and never
// taken for one that finds nothing wrong.
func TestStrangeAdminListeners(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/-/keys" {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			}
			io.WriteString(w, `{"now":"2026-01-04T12:00:00Z","keys":[]}`)
		},
		"error": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			io.WriteString(w, `{"now":"2026-01-04T12:00:00Z","keys":[]}`)
		},
		"page":      func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") },
		"other API": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"status":"ok"}`) },
		"endless": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"now":"2026-01-04T12:00:00Z","unfit":"`)
			for r.Context().Err() == nil {
				io.WriteString(w, strings.Repeat("x", 1<<16))
			}
		},
		"silent": func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	}
	for name, handler := range answers {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			var out, talk bytes.Buffer
			timeout, want := "10s", "no answer: answers with status "
			if name == "silent" {
				timeout, want = "50ms", "no answer: context deadline exceeded"
			}
			status := run([]string{"keys", "status", "--admin", server.URL, "--timeout", timeout}, strings.NewReader(""), &out, &talk, nil)
			if status != unreachable || !strings.Contains(out.String(), want) || out.Len() > 2000 {
				t.Errorf("status %d, %.2000q", status, out.String())
			}
		})
	}
}

// TestDifference: what replicas of one service have to agree in.
func TestDifference(t *testing.T) {
	withStore := func(change func(*keys.StoreStatus)) keys.Status {
		s := healthy()
		change(s.Store)
		return s
	}
	ephemeral := func(kid string) keys.Status {
		return keys.Status{Ephemeral: true, JWKSDigest: kidOf("e0"), Keys: []keys.KeyStatus{{KeyID: kidOf(kid), State: keys.StateSigning}}}
	}
	cases := map[string]struct {
		one, other keys.Status
		want       string
	}{
		"same":           {healthy(), healthy(), ""},
		"same later":     {healthy(), withStore(func(s *keys.StoreStatus) { s.Confirmed = noon }), ""},
		"other keyring":  {healthy(), withStore(func(s *keys.StoreStatus) { s.Ring = "f" }), "another keyring"},
		"not read yet":   {healthy(), withStore(func(s *keys.StoreStatus) { s.Generation++ }), "generation 12 of the keyring, not 13; that is normal"},
		"other key set":  {healthy(), changed(healthy(), func(s *keys.Status) { s.JWKSDigest = kidOf("f") }), "another key set"},
		"other clock":    {healthy(), changed(healthy(), func(s *keys.Status) { s.Keys[0].State, s.Keys[1].State = keys.StateRetired, keys.StateSigning }), "signs with bbbb00000000, not cccc00000000"},
		"other kind":     {healthy(), configured(), "one has a keyring, the other signing_key"},
		"other file":     {configured(), changed(configured(), func(s *keys.Status) { s.JWKSDigest = kidOf("f") }), "give all the same signing_key"},
		"ephemeral keys": {ephemeral("a"), ephemeral("b"), "another key set"},
	}
	for name, c := range cases {
		if got := difference(c.one, c.other); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q in it", name, got, c.want)
		}
	}
}

// TestProblems: what a replica shows by itself that somebody should look at.
func TestProblems(t *testing.T) {
	cases := map[string]struct {
		change func(*keys.Status)
		want   string
	}{
		"healthy":       {func(*keys.Status) {}, ""},
		"store error":   {func(s *keys.Status) { s.Store.LastError = "connection refused" }, "cannot be kept: connection refused"},
		"wrong clock":   {func(s *keys.Status) { s.Store.Skew = -61 * time.Second }, "the clock is 1m 1s behind the store's"},
		"clock is good": {func(s *keys.Status) { s.Store.Skew = time.Minute }, ""},
		"overdue":       {func(s *keys.Status) { s.Keys[1].ActivateAt = noon.Add(-61 * time.Second) }, "overdue"},
		"due now":       {func(s *keys.Status) { s.Keys[1].ActivateAt = noon.Add(-time.Second) }, ""},
		"no next key":   {func(s *keys.Status) { s.Keys = s.Keys[:1] }, "no next key"},
		"next key is being made": {func(s *keys.Status) {
			s.Keys = s.Keys[:1]
			s.Keys[0].SigningSince = noon.Add(-time.Minute)
		}, ""},
		"too early": {func(s *keys.Status) { s.MissingPublication = time.Minute }, "1m longer"},
	}
	for name, c := range cases {
		got := strings.Join(problemsOf(changed(healthy(), c.change), noon), "; ")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q in it", name, got, c.want)
		}
	}
	r := keysReport{now: noon.Add(2 * time.Minute), Replicas: []replica{answered("a", healthy(), "")}}
	if got := strings.Join(r.problems(), "; "); !strings.Contains(got, "clock is 2m behind this machine's") {
		t.Errorf("a replica whose clock is late: %q", got)
	}
}
