package envoy

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"

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
	defer f.free()
	if err := decode(&f); err != nil {
		return nil, err // grpc-go has answered already: too large, or broken off
	}
	s := srv.(*Server)
	return &sent{s.check(ctx, f.buffer.ReadOnlyData()), &s.buffers}, nil
}

// check is one Check from bytes to answer. It has no error to return. Nothing
// that outlives it points into the message, whose memory is used again.
func (s *Server) check(ctx context.Context, message []byte) (a answer) {
	a = answer{s.buffers.Get(0)}
	m := s.requests.Get().(*checkRequest)
	defer func() {
		if recover() != nil {
			d := authz.Decision{Record: authz.Record{
				Time: time.Now(), Outcome: authz.Deny, Reason: authz.Fault, Cause: "panic in the adapter", Status: authz.Fault.Status(),
			}}
			a.instead(&d)
			s.record(d.Record)
		}
		m.reset()
		s.requests.Put(m)
	}()
	d, r := s.decide(ctx, message, m)
	a.response(&d)
	if !s.record(d.Record) && d.Grant() != nil {
		d = s.authorizer.Refuse(ctx, r, &authz.Denial{Reason: authz.Unrecorded})
		a.instead(&d)
		s.record(d.Record)
	}
	return a
}

// record reports whether a record is kept. One that an observer panics about is
// not, and the process lives on.
func (s *Server) record(r authz.Record) (kept bool) {
	defer func() { _ = recover() }()
	return s.observe(r)
}

// decide returns the decision, and what is known of the request.
func (s *Server) decide(ctx context.Context, message []byte, m *checkRequest) (authz.Decision, *authz.Request) {
	if m.read(message, s.shape) != nil {
		d := &authz.Denial{Reason: authz.MalformedRequest, Detail: "the check request cannot be decoded"}
		return s.authorizer.Refuse(ctx, nil, d), nil
	}
	r, denial := m.request()
	if denial != nil {
		return s.authorizer.Refuse(ctx, r, denial), r
	}
	d := s.authorizer.Authorize(ctx, r)
	switch g := d.Grant(); {
	case g != nil && ctx.Err() != nil:
		late := (&authz.Denial{Reason: authz.DeadlineExceeded}).Because(errors.New("granted too late"))
		return s.authorizer.Refuse(ctx, r, late), r
	case g != nil && !writable(g.Set()):
		unwritable := (&authz.Denial{Reason: authz.Fault}).Because(errors.New("a granted header is no text"))
		return s.authorizer.Refuse(ctx, r, unwritable), r
	}
	return d, r
}
