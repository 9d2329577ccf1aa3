// Package repo finds the repository around the working directory, for commands
// and tests that run files of it.
package repo

import (
	"errors"
	"os"
	"path/filepath"
)

// Root returns the folder that holds examples/envoy/envoy.yaml, at or above the
// working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "examples", "envoy", "envoy.yaml")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("this is not inside a checkout of privyseal: change to one")
		}
		dir = parent
	}
}
