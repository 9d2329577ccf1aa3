package main

import (
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"privyseal/keys"
)

// starter is the configuration that init writes.
//
//go:embed privyseal.yaml
var starter string

func initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a first configuration and a signing key",
		Long: `Write a commented privyseal.yaml and a new signing key, keys.pem, into a
directory, by default the current one. Existing files are never overwritten.`,
		Args: arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return initialize(c, dir)
		},
	}
}

func initialize(c *cobra.Command, dir string) error {
	config, keyFile := filepath.Join(dir, configName), filepath.Join(dir, "keys.pem")
	for _, path := range []string{config, keyFile} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return failed(no, "choose another directory: `privyseal init DIR`", "%s exists and is not overwritten", path)
		}
	}
	key, err := keys.Generate("ES256", nil)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := writeKey(c, key, keyFile); err != nil {
		return err
	}
	if err := writeNew(config, []byte(starter), 0o644); err != nil {
		return err
	}
	say(c, `wrote %s: who may call what; every line is explained
wrote %s: the signing key; keep it secret, and the same on all replicas

Next:
  1. edit %[1]s: your identity provider and your hosts
  2. privyseal config validate %[1]s
  3. privyseal serve --config %[1]s
  4. in another terminal: privyseal check GET https://orders.example.com/healthz`, config, keyFile)
	return nil
}
