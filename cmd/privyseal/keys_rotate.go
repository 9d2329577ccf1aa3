package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"privyseal/keys"
)

func keysRotateCommand(environ []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate [--config FILE] [--mode planned|availability|purge]",
		Short: "Let the next key of the keyring sign out of turn",
		Long: `Let the next key of the configured keyring sign before its time. Keys follow one
another by themselves; this is for a change of plan, and for keys that are lost.
It works on the store: replicas need not be reachable, and follow by themselves.

  planned       costs nothing: the next key signs in a few minutes, when every
                replica can have heard of it, and the key before it stays
                published. Refused if the next key has not been published for
                publish_before.
  availability  the signing key may be known to others: it leaves the key set at
                once, and the next key signs at once. Hardly anybody is refused,
                but who caches key sets trusts the lost key for longer.
  purge         the store may have been read by others: the signing key and the
                next one leave at once, and a new key signs at once. Whoever
                fetches key sets at intervals only refuses everything meanwhile.

What will happen and what it costs is told before anything is changed. In the
modes availability and purge that must be confirmed by typing the mode, or with
--yes; planned needs no confirmation.

With -o json the answer is an object of mode, dry_run, and the documents before
and after (version, ring, generation, written_at, complete_until, and keys with
kid, alg, state, public, published_at, activate_at, signs_until, max_ttl,
remove_at); without after for --dry-run.

The exit status is 0 if the keyring was rotated, or would be, 1 if not, 3 if the
store cannot be reached.`,
		Example: `  privyseal keys rotate --mode purge --dry-run`,
		Args:    arguments(0, 0),
	}
	config := c.Flags().String("config", "", "the configuration `file` of a replica (default ./privyseal.yaml)")
	mode := c.Flags().String("mode", string(keys.ModePlanned), "planned, availability or purge")
	yes := c.Flags().Bool("yes", false, "do not ask")
	dry := c.Flags().Bool("dry-run", false, "only show what would happen and what it would cost")
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		m := keys.Mode(*mode)
		if !slices.Contains([]keys.Mode{keys.ModePlanned, keys.ModeAvailability, keys.ModePurge}, m) {
			return failed(wrongUsage, "`privyseal keys rotate --help` says what each of them costs", "--mode is none of planned, availability and purge")
		}
		ring, err := openKeyring(c, *config, environ)
		if err != nil {
			return err
		}
		return rotate(c, ring, rotation{Mode: m, DryRun: *dry, yes: *yes, output: *output})
	}
	return c
}

// rotation is a rotation out of turn, as it is asked for and as JSON tells it.
type rotation struct {
	Mode   keys.Mode      `json:"mode"`
	DryRun bool           `json:"dry_run"`
	Before keys.Document  `json:"before"`
	After  *keys.Document `json:"after,omitempty"`

	yes    bool
	output format
}

func rotate(c *cobra.Command, ring *keyring, r rotation) (err error) {
	if r.Before, err = ring.look(c.Context()); err != nil {
		return err
	}
	before := ring.timeline(r.Before)
	if r.output == "text" {
		before.write(c.OutOrStdout())
	}
	if reason := before.refusal(r.Mode); reason != "" {
		return failed(no, "keys follow one another by themselves; if the signing key is lost, `privyseal keys rotate --help` says what --mode availability and --mode purge cost", "nothing was changed: %s", reason)
	}
	say(c, "%s", strings.Join(before.plan(r.Mode), "\n"))
	if r.DryRun {
		say(c, "\ndry run: nothing was changed")
		if r.output == "json" {
			return writeJSON(c.OutOrStdout(), r)
		}
		return nil
	}
	if r.Mode != keys.ModePlanned && !r.yes {
		if err := confirm(c, string(r.Mode)); err != nil {
			return err
		}
	}
	change, err := ring.Rotate(c.Context(), r.Mode)
	if err != nil {
		return ring.lost(err)
	}
	ring.warnIfChanged(c, r.Before, change)
	r.Before, r.After = change.Before, &change.After
	after := ring.timeline(change.After)
	say(c, "\n%s\n", strings.Join(after.next(r.Mode), "\n"))
	if r.output == "json" {
		return writeJSON(c.OutOrStdout(), r)
	}
	return after.write(c.OutOrStdout())
}

// warnIfChanged tells that the keyring was not the one that was shown.
func (r *keyring) warnIfChanged(c *cobra.Command, shown keys.Document, change keys.Change) {
	if change.Before.Generation != shown.Generation {
		warn(c, "somebody else changed the keyring meanwhile: generation %d was changed, not %d, which was shown", change.Before.Generation, shown.Generation)
	}
}
