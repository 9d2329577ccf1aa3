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

	"privyseal/authz"
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
	return w.send(t, "GET "+path+" HTTP/1.1\r\nhost: "+w.hostname()+"\r\n"+join(lines)+"\r\n")
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
	conn, err := dial(w.port)
	if err != nil {
		t.Fatal(err)
	}
	r, err := exchange(conn, request)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verified asks Envoy's jwt_authn about an assertion.
func (w *world) verified(assertion string) (response, error) {
	conn, err := dial(w.verifies)
	if err != nil {
		return response{}, err
	}
	return exchange(conn, "GET / HTTP/1.1\r\nhost: app.example\r\n"+authz.DefaultHeader+": "+assertion+"\r\n\r\n")
}

func dial(port int) (net.Conn, error) {
	return net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 5*time.Second)
}

// httpGet gets a page of a listener of ours, whatever its status.
func httpGet(t *testing.T, port int, path string) string {
	t.Helper()
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return string(body)
}

// exchange writes a request to a connection, reads one response and closes.
func exchange(conn net.Conn, request string) (response, error) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		return response{}, err
	}
	method, _, _ := strings.Cut(request, " ")
	r, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return response{}, err
	}
	defer r.Body.Close()
	var body []byte
	if method != "CONNECT" && r.StatusCode != http.StatusSwitchingProtocols { // else it is a tunnel
		body, _ = io.ReadAll(r.Body)
	}
	return response{r.StatusCode, r.Header, string(body)}, nil
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
