package envoy

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"privyseal/authz"
)

// maxCheckTime bounds a check when the caller gives no deadline, as Envoy does
// with a timeout of 0s.
const maxCheckTime = 5 * time.Second

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
