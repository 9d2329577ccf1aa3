package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"privyseal/examples/child"
	"privyseal/examples/envoy"
)

const (
	readyWithin = 20 * time.Second
	stopWithin  = 3 * time.Second
	tailBytes   = 4 << 10
)

// stack is what runs.
type stack struct {
	*options
	place
	failed  chan error // something ended that should not
	closers []func()
}

// later notes what to do when the stack stops; the last comes first.
func (s *stack) later(close func()) { s.closers = append(s.closers, close) }

func (s *stack) stop() {
	for _, close := range slices.Backward(s.closers) {
		close()
	}
	s.closers = nil
}

func (s *stack) startPrivyseal(ctx context.Context) error {
	cmd := exec.Command(s.privyseal, "serve", "--config", filepath.Join(s.root, "examples", "privyseal", "privyseal.yaml"),
		"--grpc", loopback(s.grpcPort), "--http", loopback(s.keySetPort), "--admin", loopback(s.adminPort), "--drain", "100ms")
	cmd.Env = []string{"IDP_ISSUER=http://" + loopback(s.idpPort), "SIGNING_KEY_FILE=" + s.file("keys.pem")}
	return s.run(ctx, "privyseal", cmd, "http://"+loopback(s.adminPort)+"/readyz")
}

func (s *stack) startEnvoy(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(s.root, "examples", "envoy", "envoy.yaml"))
	if err != nil {
		return err
	}
	config, err := envoy.Readdress(string(text), map[string]string{
		"127.0.0.1:8000": loopback(s.envoyPort), "127.0.0.1:8001": loopback(s.verifierPort), "127.0.0.1:9901": loopback(s.envoyAdminPort),
		"127.0.0.1:9001": loopback(s.grpcPort), "127.0.0.1:9080": loopback(s.keySetPort),
		"127.0.0.1:9003": loopback(s.whoamiPort), "127.0.0.1:9004": loopback(s.reportsPort),
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.file("envoy.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(s.envoy, "--config-path", s.file("envoy.yaml"), "--disable-hot-restart", "--concurrency", "2")
	return s.run(ctx, "envoy", cmd, "http://"+loopback(s.envoyAdminPort)+"/ready")
}

// run starts a process, whose output goes to files, and returns when a URL
// answers 200. If the process ends by itself the whole stack has failed.
func (s *stack) run(ctx context.Context, name string, cmd *exec.Cmd, readyURL string) error {
	out, err := os.Create(s.file(name + ".out"))
	if err != nil {
		return err
	}
	defer out.Close()
	log, err := os.Create(s.file(name + ".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = out, log
	process, err := child.Start(cmd)
	if err != nil {
		return err
	}
	stopping := make(chan struct{})
	s.later(func() { close(stopping); process.Stop(stopWithin) })
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := awaitReady(ctx, readyURL, process.Done()); err != nil {
		return fmt.Errorf("%s: %v; it wrote:\n%s", name, err, tail(log.Name()))
	}
	go func() {
		select {
		case <-stopping:
		case <-process.Done():
			s.failed <- fmt.Errorf("%s ended by itself (%v); it wrote:\n%s", name, process.Err(), tail(log.Name()))
		}
	}()
	return nil
}

func awaitReady(ctx context.Context, url string, ended <-chan struct{}) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if ready(ctx, url) {
			return nil
		}
		select {
		case <-ended:
			return errors.New("ended before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer 200", url)
		case <-ticker.C:
		}
	}
}

func ready(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// tail returns the end of a file.
func tail(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-tailBytes):])
}
