package envoy

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"privyseal/authz"
)

// ServiceName is the gRPC service that Envoy calls, and the name under which it
// asks for health.
const ServiceName = "envoy.service.auth.v3.Authorization"

// MaxRequestBytes bounds one CheckRequest. It exceeds every max_request_bytes
// (with_request_body) that we document, 1 MiB, and Envoy's bounds on headers.
const MaxRequestBytes = 4 << 20

const (
	streamWorkers = 64
	// windowBytes is how much of the messages of one connection may be on its
	// way unread.
	windowBytes = 1 << 20
)

// Authorizer decides. [authz.Authorizer] is one; a service that reloads is
// another, which asks the one of its current snapshot.
type Authorizer interface {
	Authorize(ctx context.Context, r *authz.Request) authz.Decision
	Refuse(ctx context.Context, r *authz.Request, d *authz.Denial) authz.Decision
}

// Server answers Check. It is safe for concurrent use.
type Server struct {
	authorizer Authorizer
	observe    func(authz.Record) bool

	shape    *shape
	requests sync.Pool // of *checkRequest
	buffers  buffers   // of answers
}

// NewServer makes a Server. observe, if not nil, is called for each check, after
// the decision and before the answer, and reports whether it will keep the
// record. A grant whose record is not kept is not given: the request is refused
// with reason [authz.Unrecorded], which is observed in turn.
func NewServer(a Authorizer, observe func(authz.Record) (kept bool)) *Server {
	if observe == nil {
		observe = func(authz.Record) bool { return true }
	}
	s, leaves := &Server{authorizer: a, observe: observe, shape: newShape()}, newLeaves()
	s.requests.New = func() any { return &checkRequest{leaves: leaves} }
	return s
}

// Register registers the service on a gRPC server made with [GRPCOptions]. The
// method handler is our own, not the generated one, because the generated one
// turns a message that cannot be decoded into a gRPC error.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	r.RegisterService(&grpc.ServiceDesc{
		ServiceName: ServiceName,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Check", Handler: handle}},
		Metadata:    "envoy/service/auth/v3/external_auth.proto",
	}, s)
}

// GRPCOptions are the options a gRPC server for Envoy needs: [Server] does not
// work without them.
//
// Envoy keeps one HTTP/2 connection per worker and host, so connections are
// ended after ten minutes for replicas to share the load. Envoy's pings are
// tolerated from every ten seconds; grpc-go's default of five minutes ends its
// connections. The number of streams is not limited: Envoy opens streams before
// it has seen a limit, and a refused stream is a failed request.
func GRPCOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(MaxRequestBytes),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.StaticStreamWindowSize(windowBytes),
		grpc.StaticConnWindowSize(windowBytes),
		grpc.ConnectionTimeout(3 * time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge:      10 * time.Minute,
			MaxConnectionAgeGrace: 30 * time.Second,
			Time:                  time.Minute,
			Timeout:               20 * time.Second,
		}),
	}
}
