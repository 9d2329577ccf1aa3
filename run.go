package privyseal

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"privyseal/envoy"
)

// stopWithin bounds how long requests in flight may keep a stopping service.
const stopWithin = 10 * time.Second

// Run listens on every configured address before it serves any, serves until it
// is asked to end, by ctx, and then drains: health says NOT_SERVING, checks are
// answered for the drain time, and connections are closed. A listener that ends
// earlier ends Run with an error, so that no half of a service lives on.
func (s *Service) Run(ctx context.Context) error {
	defer s.Close()
	sockets, err := s.open()
	if err != nil {
		return err
	}
	return s.serve(ctx, sockets)
}

func (s *Service) serve(asked context.Context, sockets sockets) error {
	ctx, cancel := context.WithCancelCause(asked)
	defer cancel(nil)
	go s.recorder.run()
	defer s.recorder.close() // after everybody who records
	var running sync.WaitGroup
	start := func(name string, socket net.Listener, serve func(net.Listener) error) {
		if socket == nil {
			return // switched off
		}
		running.Go(func() {
			if err := serve(socket); err != nil && !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("the %s listener ended: %w", name, err))
			}
		})
	}
	checks, healths := s.grpcServer()
	public, admin := s.httpServer(s.public()), s.httpServer(s.admin())
	start("grpc", sockets.grpc, checks.Serve)
	start("http", sockets.http, public.Serve)
	start("admin", sockets.admin, admin.Serve)
	running.Go(func() { s.watch(ctx, func() { announceHealth(healths, s.ring.Check()) }) })
	if s.keeper != nil {
		s.firstLook(ctx)
		running.Go(func() { s.keeper.Run(ctx) })
	}
	s.announce(sockets)

	<-ctx.Done()
	healths.Shutdown()
	failed := asked.Err() == nil
	if !failed {
		s.log.Info("draining", "for", s.options.Drain.String())
		time.Sleep(s.options.Drain)
	}
	stop(checks, public, admin)
	running.Wait()
	if failed {
		return context.Cause(ctx)
	}
	return nil
}

// firstLook reads the keyring before it is said whether the service is ready.
func (s *Service) firstLook(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s.keeper.Step(ctx) // logged there
}

// sockets are open before anything is announced.
type sockets struct{ grpc, http, admin net.Listener }

func (s *Service) open() (opened sockets, err error) {
	config, current := s.Config().Listen, s.current.Load().tls
	var all []net.Listener
	defer func() {
		if err != nil {
			for _, socket := range all {
				socket.Close()
			}
		}
	}()
	for _, l := range []struct {
		name   string
		listen Listener
		tls    *tls.Config
		socket *net.Listener
		pick   func() *tls.Config
	}{
		{"grpc", config.GRPC, nil, &opened.grpc, nil}, // gRPC does its own TLS
		{"http", config.HTTP, current.http, &opened.http, func() *tls.Config { return s.current.Load().tls.http }},
		{"admin", config.Admin, current.admin, &opened.admin, func() *tls.Config { return s.current.Load().tls.admin }},
	} {
		if l.listen.Address == "" {
			continue
		}
		socket, err := listen(l.listen)
		if err != nil {
			return opened, fmt.Errorf("listen.%s: %w", l.name, err)
		}
		if l.tls != nil {
			socket = tls.NewListener(socket, currentTLS(l.pick, l.tls.NextProtos...))
		}
		*l.socket, all = socket, append(all, socket)
	}
	return opened, nil
}

func (s *Service) grpcServer() (*grpc.Server, *health.Server) {
	options := envoy.GRPCOptions()
	if s.current.Load().tls.grpc != nil {
		pick := func() *tls.Config { return s.current.Load().tls.grpc }
		options = append(options, grpc.Creds(credentials.NewTLS(currentTLS(pick, "h2"))))
	}
	server, healths := grpc.NewServer(options...), health.NewServer()
	envoy.NewServer(s, s.observe).Register(server)
	announceHealth(healths, s.ring.Check())
	healthpb.RegisterHealthServer(server, liveHealth{healths, s.ring.Check})
	return server, healths
}

// liveHealth answers each health check by the state of the keys at that moment.
// Watchers hear of a change with the next look at the files.
type liveHealth struct {
	*health.Server
	check func() error
}

// Check implements the health protocol of gRPC.
func (h liveHealth) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	answer, err := h.Server.Check(ctx, r)
	if err == nil && answer.Status == healthpb.HealthCheckResponse_SERVING && h.check() != nil {
		answer.Status = healthpb.HealthCheckResponse_NOT_SERVING
	}
	return answer, err
}

// announceHealth says whether the service should be asked, to those who watch.
// The status of the whole server is that of its only service.
func announceHealth(healths *health.Server, unfit error) {
	status := healthpb.HealthCheckResponse_SERVING
	if unfit != nil {
		status = healthpb.HealthCheckResponse_NOT_SERVING
	}
	healths.SetServingStatus("", status)
	healths.SetServingStatus(envoy.ServiceName, status)
}

// httpServer bounds what a client may take of the service: time to send a
// request, size of its headers, time to read the answer.
func (s *Service) httpServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       5 * time.Second, // connections are few, and the key set is cached
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// stop ends the servers gracefully, and by force when time is up.
func stop(checks *grpc.Server, others ...*http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	var stopping sync.WaitGroup
	stopping.Go(func() {
		done := make(chan struct{})
		go func() { checks.GracefulStop(); close(done) }()
		select {
		case <-done:
		case <-ctx.Done():
			checks.Stop()
		}
	})
	for _, server := range others {
		stopping.Go(func() {
			if server.Shutdown(ctx) != nil {
				server.Close()
			}
		})
	}
	stopping.Wait()
}

func (s *Service) announce(opened sockets) {
	attributes := []any{"grpc", opened.grpc.Addr().String(), "rules", len(s.current.Load().policy.Rules())}
	if kid := s.ring.KeyID(); kid != "" {
		attributes = append(attributes, "signing_kid", kid)
	}
	if opened.http != nil {
		attributes = append(attributes, "http", opened.http.Addr().String())
	}
	if opened.admin != nil {
		attributes = append(attributes, "admin", opened.admin.Addr().String())
	}
	if err := s.ring.Check(); err != nil {
		s.log.Warn("listening, and not ready", append(attributes, "reason", err.Error())...)
		return
	}
	s.log.Info("ready", attributes...)
}
