//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
)

// system is a server to be measured.
type system interface {
	name() string
	// start runs it until it is stopped. [errNotOffered] says that this privyseal
	// cannot do what the scenario is about.
	start(context.Context, *bench) (*process, error)
}

var errNotOffered = errors.New("not offered")

// floorSystem is the floor, that signs or not.
type floorSystem bool

func (f floorSystem) name() string {
	if f {
		return "floor that signs"
	}
	return "floor"
}

func (f floorSystem) start(_ context.Context, b *bench) (*process, error) {
	args := []string{"floor"}
	if f {
		args = append(args, "-sign")
	}
	return start(f.name(), serverCPU, b.self(args...))
}

func (c configuration) start(ctx context.Context, b *bench) (*process, error) {
	file := fmt.Sprintf("rules-%d-reuse-%t.yaml", c.rules, c.reuse)
	if err := b.world.write(file, []byte(c.yaml())); err != nil {
		return nil, err
	}
	path := b.world.path(file)
	validate := exec.CommandContext(ctx, b.options.binary, "config", "validate", path)
	validate.Env = []string{}
	if output, err := validate.CombinedOutput(); err != nil {
		if c.reuse {
			err = errNotOffered
		}
		return nil, fmt.Errorf("%w: %s: %s", err, b.options.binary, output)
	}
	if b.profile != "" {
		return start(c.name(), serverCPU, b.self("serve", "-config", path, "-out", b.profile))
	}
	cmd := exec.Command(b.options.binary, "serve", "--config", path, "--drain", "1ms")
	cmd.Env = []string{}
	return start(c.name(), serverCPU, cmd)
}
