package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestInputIsBounded: what is read from outside has an end.
func TestInputIsBounded(t *testing.T) {
	for _, args := range [][]string{{"token", "decode"}, {"keys", "inspect"}, {"keys", "encode", "-"}} {
		var out, talk bytes.Buffer
		status := run(args, strings.NewReader(strings.Repeat("x", maxInput+1)), &out, &talk, nil)
		if status != no || out.Len() > 0 || !strings.Contains(talk.String(), "larger than 1048576 bytes") {
			t.Errorf("%v: status %d, %q", args, status, talk.String())
		}
	}
}

// TestNoRedirect: keys and health are those of the address that was given, for
// verifiers and probes follow no redirect either.
func TestNoRedirect(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/elsewhere") {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}
	}))
	defer server.Close()
	for _, args := range [][]string{{"keys", "inspect", server.URL + "/jwks.json"}, {"health", "--admin", server.URL}} {
		var out, talk bytes.Buffer
		if status := run(args, strings.NewReader(""), &out, &talk, nil); status != unreachable || !strings.Contains(talk.String(), "302") {
			t.Errorf("%v: status %d, %q", args, status, talk.String())
		}
	}
}

// TestPrintable: what a service answers cannot control the terminal.
func TestPrintable(t *testing.T) {
	var out bytes.Buffer
	if err := table(&out, [][]string{{"respond", "location: \x1b[2J"}, {"set", "name: Zoë"}}); err != nil {
		t.Fatal(err)
	}
	if want := "respond  \"location: \\x1b[2J\"\nset      name: Zoë\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
