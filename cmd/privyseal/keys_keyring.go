package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"privyseal"
	"privyseal/keys"
)

// keyring is the configured keyring, for commands that look at it or change it.
type keyring struct {
	*keys.Keeper
	file string // the configuration
}

// openKeyring prepares the keyring of a configuration. The store has not been
// asked yet.
func openKeyring(c *cobra.Command, named string, environ []string) (*keyring, error) {
	file := configFile(named)
	if file == "" {
		return nil, failed(wrongUsage, "give the configuration of a replica: --config FILE", "%s: there is no ./%s, so it is not known where the keyring is", c.CommandPath(), configName)
	}
	if err := forbidDumps(); err != nil {
		warn(c, "core dumps of this process, which reads private keys, cannot be switched off: %v", err)
	}
	keeper, err := privyseal.NewKeeper(privyseal.LoadOptions{Path: file, Environ: environ})
	if err != nil {
		return nil, mistaken(c, err)
	}
	return &keyring{keeper, file}, nil
}

// look reads the document, which must be there.
func (r *keyring) look(ctx context.Context) (keys.Document, error) {
	d, err := r.Read(ctx)
	if err != nil {
		return d, r.lost(err)
	}
	if len(d.Keys) == 0 {
		return d, errNoKeyring
	}
	return d, nil
}

var errNoKeyring = failed(no, "start a replica, which begins one; or take over the keys you have: `privyseal keys import --help`", "the store holds no keyring yet")

// lost is the failure to do something with the keyring. A store, or a key
// management service, that gives no answer is not a no.
func (r *keyring) lost(err error) error {
	var network net.Error // a context that has ended is one, too
	if errors.As(err, &network) {
		return failed(unreachable, "is keys.store of "+printable(r.file)+" reachable from here? if the keyring was to be written: `privyseal keys status` says whether it was", "%s", oneLine(err.Error()))
	}
	return failed(no, "`privyseal keys status --config "+printable(r.file)+"` says what the store holds", "%s", oneLine(err.Error()))
}

// oneLine makes a message that may be of a server's making fit to be shown.
func oneLine(text string) string {
	const enough = 1000
	text = strings.TrimSpace(strings.ReplaceAll(text, "\n", "; "))
	if len(text) > enough {
		text = strings.ToValidUTF8(text[:enough], "") + "…"
	}
	return printable(text)
}

func (r *keyring) timeline(d keys.Document) timeline {
	return timelineOf(d, r.Schedule().PublishBefore, time.Now())
}
