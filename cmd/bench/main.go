//go:build linux

// Command bench measures what a Check costs.
//
//	make bench                            everything, into docs/performance.md: about ten minutes
//	bench -scenario '^public$' -rounds 3  one comparison, as text
//	bench -profile DIR -scenario cached   where the time goes
//	bench -o json >run.json; bench -from run.json -o markdown
//
// It runs the real `privyseal serve` and, beside it, the floor: an ext_authz
// server made with grpc-go as it comes, that looks at nothing and always answers
// OK. Both are children of this process and take turns under the same load on
// loopback, round by round; each figure is a median over the rounds, each ratio
// is of two figures of one round, and the spread is the least and the most of
// them. Absolute figures are of one machine at one moment, ratios hold elsewhere.
//
// The servers have CPU 0 to themselves, and so one Go processor; the generator
// has CPU 1. Through Envoy, Envoy shares CPU 0 with the server. CPU time is the
// kernel's clock of the process, so it counts the transport, the collector and
// the decision record, which each privyseal writes to a pipe that is read.
//
// The closed loop keeps -streams requests open on one connection, as one worker
// of Envoy has one, and shows what a server can do. The open loop sends at half
// that rate, at random moments that do not wait for answers, and shows how long
// a request takes; its latencies count from when a request was due.
//
// Every answer is looked at: one that does not let the request through ends the
// run, because denials cost something else.
//
// The subcommands floor and serve are the children, and not for people.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "bench: error: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "floor":
			return runFloor(args[1:])
		case "serve":
			return runServe(args[1:])
		}
	}
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the process, and so its children
	r, err := o.report(ctx, func(format string, args ...any) { fmt.Fprintf(stderr, "bench: "+format+"\n", args...) })
	if err != nil {
		return err
	}
	return o.write(r, stdout)
}

func runFloor(args []string) error {
	flags := flag.NewFlagSet("bench floor", flag.ContinueOnError)
	sign := flags.Bool("sign", false, "make one ES256 signature each time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return serveFloor(*sign)
}

func runServe(args []string) error {
	flags := flag.NewFlagSet("bench serve", flag.ContinueOnError)
	config := flags.String("config", "", "the configuration `file`")
	out := flags.String("out", "", "`prefix` of the names of the profiles")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return serveProfiled(*config, *out+".cpu.pprof", *out+".heap.pprof")
}
