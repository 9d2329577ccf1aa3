package main

import (
	"strings"

	"github.com/spf13/cobra"

	"privyseal/keys"
)

func keysImportCommand(environ []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "import [--config FILE] KEYFILE|-",
		Short: "Begin the keyring with the keys of signing_key",
		Long: `Begin the configured keyring with the keys of a signing_key, PEM or base64 of
it, so that a service can go over to keys that rotate themselves and no verifier
notices. The first key goes on signing, the others stay published until what
they have signed has expired, and a next key is made.

The configuration is the new one: keys in place of signing_key. Nothing is
imported into a keyring that exists. With -o json the answer is the document;
see keys rotate --help.

The exit status is 0 if the keys were imported, 1 if not, 3 if the store cannot
be reached.`,
		Example: `  privyseal keys import --config new.yaml keys.pem
  printenv SIGNING_KEY | env -u SIGNING_KEY privyseal keys import --config new.yaml -`,
		Args: arguments(0, 1),
	}
	config := c.Flags().String("config", "", "the new configuration `file` (default ./privyseal.yaml)")
	output := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return failed(wrongUsage, "name the file of signing_key_file, or - and give the value of signing_key on standard input",
				"it is not said which keys to import: a configuration with keys has no signing_key, so they cannot be found there")
		}
		ring, err := openKeyring(c, *config, environ)
		if err != nil {
			return err
		}
		set, err := readSet(c, args)
		if err != nil {
			return err
		}
		change, err := ring.Import(c.Context(), set)
		if err != nil {
			return ring.lost(err)
		}
		t := ring.timeline(change.After)
		say(c, "%s\n", strings.Join(t.afterImport(), "\n"))
		if *output == "json" {
			return writeJSON(c.OutOrStdout(), change.After)
		}
		return t.write(c.OutOrStdout())
	}
	return c
}

// readSet reads the keys to import. The published sample key is refused, as serve
// refuses it.
func readSet(c *cobra.Command, args []string) (*keys.Set, error) {
	text, err := readInput(c, args)
	if err != nil {
		return nil, err
	}
	set, err := keys.Parse(text, keys.ParseOptions{})
	if err != nil {
		return nil, failed(no, "it is the value of signing_key, or the file of signing_key_file, that is imported", "no usable keys: %v", err)
	}
	return set, nil
}

// afterImport says how replicas go over to the keyring. Those that have not do
// not publish its next key.
func (t timeline) afterImport() []string {
	list := []string{
		"The keyring has begun. What next:",
		"  - In every replica, replace signing_key by keys and restart it, one after",
		"    another. Until then it signs with the same key as before.",
		"  - Do not rotate before the last one has been restarted:",
		"      privyseal keys status --admin URL --admin URL…",
		"    shows whether all agree.",
	}
	next := t.in(keys.StateNext)
	if next == nil {
		return list
	}
	by := "at once"
	if at := next.ActivateAt.Add(-t.publishBefore); at.After(t.now) {
		by = "by " + t.moment(at)
	}
	return append(list, "  - Be done "+by+":", "    from then on verifiers must find the next key everywhere.")
}
