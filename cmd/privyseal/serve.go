package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"privyseal"
)

func serveCommand(environ []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Decide about requests for Envoy",
		Long: `Decide about requests for Envoy, until SIGINT or SIGTERM. SIGHUP reloads the
configuration; changed files are noticed without it.

Without --config, ./privyseal.yaml is used if it exists; without that, every
request is denied. Flags win over the environment, which wins over the file.

The log goes to standard error, one record for each decision to standard output
as JSON.`,
		Args: arguments(0, 0),
	}
	config := c.Flags().String("config", "", "the configuration `file`")
	overrides := overrideFlags(c)
	drain := c.Flags().Duration("drain", 5*time.Second, "how long to go on answering after a signal, for Envoy to notice")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := forbidDumps(); err != nil {
			warn(c, "core dumps of this process, which hold private keys, cannot be switched off: %v", err)
		}
		given, err := overrides()
		if err != nil {
			return err
		}
		level := &configuredLevel{}
		defer privyseal.TuneMemory(os.Getenv)()
		log := applicationLog(c.ErrOrStderr(), level)
		load := privyseal.LoadOptions{Path: configFile(*config), Environ: slices.Concat(environ, given)}
		if load.Path == "" {
			log.Warn("there is no configuration: every request is denied; `privyseal init` writes a first one")
		}
		hangups := make(chan os.Signal, 1) // from now on: one that comes early must not end the process
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
		service, err := privyseal.New(privyseal.ServiceOptions{
			Load: load, Log: log, Drain: max(*drain, 1), // 0 would be the default
			Decisions: c.OutOrStdout(),
		})
		if err != nil {
			return mistaken(c, err)
		}
		level.Store(service)
		ctx, stop := untilSignal(c.Context())
		defer stop()
		go reloadOn(ctx, hangups, service)
		err = service.Run(ctx)
		if errors.Is(err, syscall.EADDRINUSE) {
			return failed(no, "end what listens there, or listen elsewhere: --grpc, --http, --admin", "%v", err)
		}
		return err
	}
	return c
}

// reloadOn reloads the service at each signal, until ctx ends. The service logs
// what comes of it.
func reloadOn(ctx context.Context, signals <-chan os.Signal, service *privyseal.Service) {
	for {
		select {
		case <-signals:
			service.Reload()
		case <-ctx.Done():
			return
		}
	}
}

// untilSignal returns a context that is canceled by the first SIGINT or SIGTERM.
// The second ends the process at once.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
