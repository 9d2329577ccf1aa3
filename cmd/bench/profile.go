//go:build linux

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"privyseal"
)

// serveProfiled is the child process `bench serve`: what `privyseal serve` does
// with the same configuration, and two profiles when it ends. Tables are never
// made of it.
func serveProfiled(config, cpuProfile, heapProfile string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	defer privyseal.TuneMemory(os.Getenv)()
	service, err := privyseal.New(privyseal.ServiceOptions{
		Load:      privyseal.LoadOptions{Path: config, Environ: []string{}},
		Log:       slog.New(slog.NewJSONHandler(os.Stderr, nil)),
		Decisions: os.Stdout,
		Drain:     time.Millisecond,
	})
	if err != nil {
		return err
	}
	file, err := os.Create(cpuProfile)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	err = service.Run(ctx)
	pprof.StopCPUProfile()
	return errors.Join(err, writeHeap(heapProfile))
}

func writeHeap(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	runtime.GC() // the profile shows what the last collection found
	return errors.Join(pprof.WriteHeapProfile(file), file.Close())
}
