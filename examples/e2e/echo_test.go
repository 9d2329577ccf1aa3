package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
)

// echo is an application that answers with the very bytes it was sent, read from
// the socket: net/http would tidy names and values that a test is about.
type echo struct{ port int }

func newEcho(t *testing.T) echo {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answerAll(conn)
		}
	}()
	return echo{listener.Addr().(*net.TCPAddr).Port}
}

func answerAll(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		head, err := readHead(r)
		if err != nil {
			return
		}
		if length, _ := strconv.Atoi(field(head, "content-length")); length > 0 {
			io.CopyN(io.Discard, r, int64(length))
		}
		switch {
		case strings.HasPrefix(head, "CONNECT"):
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n\r\n%s", head)
			return
		case strings.EqualFold(field(head, "upgrade"), "websocket"):
			fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n%s", head)
			return
		case strings.HasPrefix(head, "GET /redirect"):
			fmt.Fprint(conn, "HTTP/1.1 302 Found\r\nlocation: http://app.example/landed\r\ncontent-length: 0\r\n\r\n")
		default:
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nset-cookie: app=1\r\nset-cookie: app2=2\r\ncontent-length: %d\r\n\r\n%s", len(head), head)
		}
	}
}

func readHead(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == "\r\n" {
			return b.String(), nil
		}
		b.WriteString(line)
	}
}

// fields returns the values of every header line of a name, exactly spelled but
// for case.
func fields(head, name string) []string {
	var values []string
	for line := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return values
}

func field(head, name string) string {
	if values := fields(head, name); len(values) > 0 {
		return values[0]
	}
	return ""
}
