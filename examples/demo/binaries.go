package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"privyseal/examples/envoy"
)

// findBinaries completes the options; what is missing is built or installed
// below the repository.
func findBinaries(ctx context.Context, o *options, p place, out io.Writer) (err error) {
	if o.privyseal == "" {
		if o.privyseal, err = buildPrivyseal(ctx, p, out); err != nil {
			return err
		}
	}
	if o.envoy == "" {
		fmt.Fprintln(out, "looking for Envoy; the first time it is installed below .cache")
		o.envoy, err = envoy.Find(ctx, filepath.Join(p.root, ".cache"))
	}
	return err
}

func buildPrivyseal(ctx context.Context, p place, out io.Writer) (string, error) {
	binary := filepath.Join(p.root, "bin", "privyseal")
	_, err := os.Stat(binary)
	if !errors.Is(err, fs.ErrNotExist) {
		return binary, err
	}
	fmt.Fprintln(out, "building bin/privyseal")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/privyseal")
	build.Dir = p.root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building privyseal: %v\n%s", err, output)
	}
	return binary, nil
}

// firstKey makes the signing key to begin with, alone in the set.
func firstKey(ctx context.Context, privyseal string, p place) error {
	generate := exec.CommandContext(ctx, privyseal, "keys", "generate")
	var said strings.Builder
	generate.Stderr = &said
	pem, err := generate.Output()
	if err != nil {
		return fmt.Errorf("%v: %v: %s", generate.Args, err, said.String())
	}
	for _, name := range []string{"old.pem", "keys.pem"} {
		if err := os.WriteFile(p.file(name), pem, 0o600); err != nil {
			return err
		}
	}
	return nil
}
