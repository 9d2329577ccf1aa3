package envoy

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"privyseal/authz"
)

// ServiceName is the gRPC service that Envoy calls, and the name under which it
// asks for health.
const ServiceName = "envoy.service.auth.v3.Authorization"

// MaxRequestBytes bounds one CheckRequest. It exceeds every max_request_bytes
// (with_request_body) that we document, 1 MiB, and Envoy's bounds on headers.
const MaxRequestBytes = 4 << 20

// maxCheckTime bounds a check when the caller gives no deadline, as Envoy does
// with a timeout of 0s.
const maxCheckTime = 5 * time.Second

// Authorizer decides. [authz.Authorizer] is one; a service that reloads is
// another, which asks the one of its current snapshot.
type Authorizer interface {
	Authorize(ctx context.Context, r *authz.Request) authz.Decision
	Refuse(ctx context.Context, r *authz.Request, d *authz.Denial) authz.Decision
}

// Server answers Check. It is safe for concurrent use.
type Server struct {
	authorizer Authorizer
	observe    func(authz.Record)
}

// NewServer makes a Server. observe, if not nil, is called once for each check,
// after the decision and before the answer.
func NewServer(a Authorizer, observe func(authz.Record)) *Server {
	if observe == nil {
		observe = func(authz.Record) {}
	}
	return &Server{authorizer: a, observe: observe}
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

func handle(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, maxCheckTime)
		defer cancel()
	}
	var f frame
	if err := decode(&f); err != nil {
		return nil, err // grpc-go has answered already: too large, or broken off
	}
	return srv.(*Server).check(ctx, f.bytes), nil
}

// check is one Check from bytes to answer. It has no error to return.
func (s *Server) check(ctx context.Context, message []byte) *authv3.CheckResponse {
	d, answer := s.answer(ctx, message)
	s.record(d.Record)
	return answer
}

// record survives an observer that panics: its checks must not end with it.
func (s *Server) record(r authz.Record) {
	defer func() { _ = recover() }()
	s.observe(r)
}

func (s *Server) answer(ctx context.Context, message []byte) (d authz.Decision, answer *authv3.CheckResponse) {
	defer func() {
		if recover() != nil {
			d = authz.Decision{Record: authz.Record{
				Time: time.Now(), Outcome: authz.Deny, Reason: authz.Fault, Cause: "panic in the adapter", Status: authz.Fault.Status(),
			}}
			answer = replied(&d, d.Reply())
		}
	}()
	d = s.decide(ctx, message)
	return d, response(&d)
}

func (s *Server) decide(ctx context.Context, message []byte) authz.Decision {
	var m authv3.CheckRequest
	if proto.Unmarshal(message, &m) != nil {
		d := &authz.Denial{Reason: authz.MalformedRequest, Detail: "the check request cannot be decoded"}
		return s.authorizer.Refuse(ctx, nil, d)
	}
	r, denial := request(&m)
	if denial != nil {
		return s.authorizer.Refuse(ctx, r, denial)
	}
	d := s.authorizer.Authorize(ctx, r)
	switch g := d.Grant(); {
	case g != nil && ctx.Err() != nil:
		late := (&authz.Denial{Reason: authz.DeadlineExceeded}).Because(errors.New("granted too late"))
		return s.authorizer.Refuse(ctx, r, late)
	case g != nil && !writable(g.Set()):
		unwritable := (&authz.Denial{Reason: authz.Fault}).Because(errors.New("a granted header is no text"))
		return s.authorizer.Refuse(ctx, r, unwritable)
	}
	return d
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
