package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"privyseal/examples/idp"
	"privyseal/examples/repo"
	"privyseal/examples/whoami"
)

// place is where the demo keeps its files.
type place struct{ root, dir string }

func (p place) file(name string) string { return filepath.Join(p.dir, name) }

func run(ctx context.Context, o *options, out io.Writer) error {
	root, err := repo.Root()
	if err != nil {
		return err
	}
	p := place{root, filepath.Join(root, ".cache", "demo")}
	if o.dir != "" {
		if p.dir, err = filepath.Abs(o.dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	if err := free(o.uses()); err != nil {
		return err
	}
	if err := findBinaries(ctx, o, p, out); err != nil {
		return err
	}
	if err := firstKey(ctx, o.privyseal, p); err != nil {
		return err
	}
	s := &stack{options: o, place: p, failed: make(chan error, 8)}
	defer s.stop()
	if err := s.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C while starting
		}
		return err
	}
	if err := tell(out, o, p); err != nil {
		return err
	}
	calling, endCalls := context.WithCancel(ctx)
	defer endCalls()
	var calls sync.WaitGroup
	calls.Go(func() { newTraffic(o, out).run(calling) })
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}
	endCalls()
	calls.Wait()
	fmt.Fprintln(out, "stopping")
	return err
}

// start starts everything, each after what it needs.
func (s *stack) start(ctx context.Context) error {
	issuer := "http://" + loopback(s.options.idpPort)
	provider, err := idp.New(idp.Options{Issuer: issuer})
	if err != nil {
		return err
	}
	if err := s.serve(s.options.idpPort, provider); err != nil {
		return err
	}
	if err := s.startPrivyseal(ctx); err != nil {
		return err
	}
	for _, app := range []struct {
		port     int
		audience string
		around   func(http.Handler) http.Handler
	}{
		{s.options.whoamiPort, "whoami", func(app http.Handler) http.Handler { return withSignIn(app, issuer) }},
		{s.options.reportsPort, "reports", func(app http.Handler) http.Handler { return app }},
	} {
		a, err := whoami.New(whoami.Options{
			Issuer: "whoami.localhost", Audience: app.audience,
			KeySetURL: "http://" + loopback(s.options.keySetPort) + "/.well-known/jwks.json",
		})
		if err != nil {
			return err
		}
		s.later(a.Close)
		if err := s.serve(app.port, app.around(a)); err != nil {
			return err
		}
	}
	return s.startEnvoy(ctx)
}

// serve serves HTTP at a port of loopback until the stack stops.
func (s *stack) serve(port int, handler http.Handler) error {
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	s.later(func() { server.Close() })
	go func() {
		if err := server.Serve(listener); err != http.ErrServerClosed {
			s.failed <- err
		}
	}()
	return nil
}
