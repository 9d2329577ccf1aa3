package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// response is what a client got; body is the echo's view of the request where
// the request reached it.
type response struct {
	status int
	header http.Header
	body   string
}

// get sends a GET for the application's host with the given header lines,
// written to the socket as they are.
func (w *world) get(t *testing.T, path string, lines ...string) response {
	t.Helper()
	return w.send(t, "GET "+path+" HTTP/1.1\r\nhost: app.example\r\n"+join(lines)+"\r\n")
}

func join(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line + "\r\n")
	}
	return b.String()
}

// send writes a request as it is and reads one response.
func (w *world) send(t *testing.T, request string) response {
	t.Helper()
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", w.port), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	r, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var body []byte
	if method != "CONNECT" && r.StatusCode != http.StatusSwitchingProtocols { // else it is a tunnel
		body, _ = io.ReadAll(r.Body)
	}
	return response{r.StatusCode, r.Header, string(body)}
}

func bearer(token string) string { return "authorization: Bearer " + token }

// want fails unless the response has a status.
func (r response) want(t *testing.T, status int) response {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d\n%v\n%s", r.status, status, r.header, r.body)
	}
	return r
}
