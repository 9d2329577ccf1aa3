package main

import (
	"bufio"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// confirm asks a person to type a word. Nobody there to ask is wrong usage:
// scripts say --yes.
func confirm(c *cobra.Command, word string) error {
	const hint = "run it on a terminal, or give --yes"
	in := c.InOrStdin()
	if terminal, ok := in.(io.Writer); !ok || !isTerminal(terminal) {
		return failed(wrongUsage, hint, "this must be confirmed, and standard input is no terminal")
	}
	c.PrintErrf("Type %s to go on: ", word)
	answer, err := bufio.NewReader(io.LimitReader(in, 64)).ReadString('\n')
	if err != nil {
		c.PrintErrln()
		return failed(wrongUsage, hint, "this must be confirmed, and there was no answer")
	}
	if strings.TrimSpace(answer) != word {
		return failed(no, "", "not confirmed: nothing was changed")
	}
	return nil
}
