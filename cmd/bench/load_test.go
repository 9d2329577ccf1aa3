//go:build linux

package main

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// answering is a server of which the tests say what it answers.
type answering struct {
	authv3.UnimplementedAuthorizationServer
	answer func(*authv3.CheckRequest) (*authv3.CheckResponse, error)
}

func (s answering) Check(_ context.Context, r *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return s.answer(r)
}

func connect(t *testing.T, s authv3.AuthorizationServer) *connection {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, s)
	go server.Serve(socket)
	t.Cleanup(server.Stop)
	c, err := dial(socket.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

func page(t *testing.T) func() []byte {
	t.Helper()
	next, err := publicPage()(&world{})
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// More is open at once than fits the server's window, so that the generator has
// to wait for it; and each loop asks as often as it was told.
func TestLoad(t *testing.T) {
	for name, l := range map[string]load{
		"closed": {duration: time.Minute, streams: 500, limit: 3000},
		"open":   {duration: time.Minute, streams: 500, limit: 3000, rate: 1e6},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := l.run(connect(t, &floor{header: strings.Repeat("e", floorHeaderBytes)}), page(t))
			if err != nil {
				t.Fatal(err)
			}
			if s.count != 3000 || len(s.latencies) != 3000 || s.quantile(0) <= 0 || s.quantile(0.5) > s.quantile(1) {
				t.Errorf("%d requests, %d latencies from %v to %v", s.count, len(s.latencies), s.quantile(0), s.quantile(1))
			}
		})
	}
}

// What does not let a request through costs something else than what is
// measured, so it ends the run.
func TestDenialIsNoMeasurement(t *testing.T) {
	for name, test := range map[string]struct {
		answer *authv3.CheckResponse
		err    error
		want   string
	}{
		"denied":     {&authv3.CheckResponse{Status: &status.Status{Code: int32(codes.PermissionDenied)}}, nil, "denied"},
		"gRPC error": {nil, context.Canceled, "grpc-status"},
		"no status":  {&authv3.CheckResponse{HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{}}}, nil, "no status"},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, answering{answer: func(*authv3.CheckRequest) (*authv3.CheckResponse, error) { return test.answer, test.err }})
			_, err := load{duration: time.Minute, streams: 1, limit: 1}.run(c, page(t))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
}

// The message is as large as the tables say, and the server sees what was meant.
func TestMessage(t *testing.T) {
	for _, mapped := range []bool{false, true} {
		w := &world{mapHeaders: mapped}
		message, err := w.message(question{path: "/v1/orders", authorization: "Bearer t", principal: "spiffe://td.example/x"})
		if err != nil {
			t.Fatal(err)
		}
		asked := make(chan *authv3.CheckRequest, 1)
		c := connect(t, answering{answer: func(r *authv3.CheckRequest) (*authv3.CheckResponse, error) {
			asked <- r
			return &authv3.CheckResponse{Status: &status.Status{}}, nil
		}})
		if _, err := (load{duration: time.Minute, streams: 1, limit: 1}).run(c, func() []byte { return message }); err != nil {
			t.Fatal(err)
		}
		seen := <-asked
		http := seen.GetAttributes().GetRequest().GetHttp()
		if n := len(http.GetHeaders()) + len(http.GetHeaderMap().GetHeaders()); n != 20 {
			t.Errorf("%d headers", n)
		}
		if (len(http.GetHeaders()) > 0) != mapped || http.GetPath() != "/v1/orders" || seen.GetAttributes().GetSource().GetPrincipal() == "" {
			t.Errorf("seen: %v", seen)
		}
	}
}

// The server's windows are respected, that of the connection and that of a stream;
// grpc-go's server does not mind, others end the connection.
func TestWindows(t *testing.T) {
	message := make([]byte, 100)
	for _, test := range []struct {
		window, perStream int
		want              bool
	}{{100, 100, true}, {99, 100, false}, {100, 99, false}} {
		c := &connection{window: test.window, perStream: test.perStream}
		if got := c.ready(message); got != test.want {
			t.Errorf("windows %d and %d: ready is %t", test.window, test.perStream, got)
		}
	}
}
