package main

import (
	"strings"

	"github.com/spf13/cobra"

	"privyseal/keys"
)

func keysRevokeCommand(environ []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke KID [--config FILE]",
		Short: "Take a key out of the keyring that does not sign",
		Long: `Take a retired key, or the next one, out of the configured keyring at once. KID
may be shortened to its first 8 digits, or more, if that is unambiguous. It must
be confirmed by typing revoke, or with --yes.

The signing key cannot be revoked, because something has to sign: keys rotate
--mode availability, or purge, replaces it.

With -o json the answer is an object of kid and the documents before and after;
see keys rotate --help.

The exit status is 0 if the key was revoked, 1 if not, 3 if the store cannot be
reached.`,
		Args: arguments(1, 1),
	}
	config := c.Flags().String("config", "", "the configuration `file` of a replica (default ./privyseal.yaml)")
	yes := c.Flags().Bool("yes", false, "do not ask")
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args[0]) < leastKeyID {
			return failed(wrongUsage, "`privyseal keys status --config FILE -o json` shows kids whole", "KID is shorter than %d digits", leastKeyID)
		}
		ring, err := openKeyring(c, *config, environ)
		if err != nil {
			return err
		}
		r, err := revoke(c, ring, args[0], *yes)
		if err != nil {
			return err
		}
		if *output == "json" {
			return writeJSON(c.OutOrStdout(), r)
		}
		return ring.timeline(r.After).write(c.OutOrStdout())
	}
	return c
}

// revocation is what JSON tells.
type revocation struct {
	KeyID  string        `json:"kid"`
	Before keys.Document `json:"before"`
	After  keys.Document `json:"after"`
}

// leastKeyID is the shortest prefix of a kid that stands for it.
const leastKeyID = 8

// findKey returns the key that a prefix of its kid means. The prefix is not
// repeated: it may be something else, pasted into the wrong place.
func findKey(d keys.Document, prefix string) (found keys.DocumentKey, err error) {
	for _, k := range d.Keys {
		switch {
		case !strings.HasPrefix(k.KeyID, prefix):
		case found.KeyID != "":
			return found, failed(wrongUsage, "give more digits", "more than one key of the keyring begins with KID")
		default:
			found = k
		}
	}
	switch found.State {
	case "":
		return found, failed(no, "`privyseal keys status --config FILE` lists them", "no key of the keyring begins with KID")
	case keys.StateSigning:
		return found, failed(no, "`privyseal keys rotate --mode availability`, or purge, replaces it; --help says what that costs", "key %s signs: it cannot just be taken away", found.KeyID)
	}
	return found, nil
}

func revoke(c *cobra.Command, ring *keyring, prefix string, yes bool) (r revocation, err error) {
	shown, err := ring.look(c.Context())
	if err != nil {
		return r, err
	}
	if ring.timeline(shown).unwritten() {
		return r, failed(no, "`privyseal keys status --config FILE` shows what signs", "nothing was changed: %s", unwritten)
	}
	key, err := findKey(shown, prefix)
	if err != nil {
		return r, err
	}
	say(c, "Key %s leaves the key set at once.", key.KeyID)
	if key.State == keys.StateNext {
		say(c, "It has not signed, so nobody is refused. Another next key is made, which must be\npublished for %s first; until then no planned rotation is possible.", span(ring.Schedule().PublishBefore))
	} else {
		say(c, "Assertions that it has signed are refused by whoever fetches the key set from\nnow on; others accept them until they fetch.")
	}
	if !yes {
		if err := confirm(c, "revoke"); err != nil {
			return r, err
		}
	}
	change, err := ring.Revoke(c.Context(), key.KeyID)
	if err != nil {
		return r, ring.lost(err)
	}
	ring.warnIfChanged(c, shown, change)
	say(c, "Replicas follow by themselves, usually within a minute, at most %s;\n`privyseal keys status --admin URL…` then shows generation %d for each of them.\n", span(ring.Schedule().Propagation()), change.After.Generation)
	return revocation{key.KeyID, change.Before, change.After}, nil
}
