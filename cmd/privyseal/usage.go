package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// group makes a command that only holds others. It never repeats the word it
// does not know: people paste tokens into the wrong place.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, DisableFlagsInUseLine: true}
	c.AddCommand(commands...)
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			c.SetOut(c.ErrOrStderr())
			c.Help()
			return &failure{status: wrongUsage}
		}
		hint := fmt.Sprintf("`%s --help` lists the commands", c.CommandPath())
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("did you mean `%s %s`?", c.CommandPath(), near[0])
		}
		return failed(wrongUsage, hint, "%s has no such command", c.CommandPath())
	}
	return c
}

// arguments accepts from least to most of them.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return failed(wrongUsage, "usage: "+c.UseLine(), "%s: %s", c.CommandPath(), miscounted(len(args), least, most))
		}
		return nil
	}
}

func miscounted(given, least, most int) string {
	switch {
	case most == 0:
		return "takes no arguments"
	case given < least:
		return fmt.Sprintf("arguments given: %d, needed: %d", given, least)
	}
	return fmt.Sprintf("arguments given: %d, taken at most: %d", given, most)
}

// flagError says what is wrong with a flag without repeating its value.
func flagError(c *cobra.Command, err error) error {
	var (
		unknown *pflag.NotExistError
		without *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
	)
	text := "a flag cannot be read"
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) == 1:
		text = "unknown flag -" + unknown.GetSpecifiedName()
	case errors.As(err, &unknown):
		text = "unknown flag --" + unknown.GetSpecifiedName()
	case errors.As(err, &without):
		text = "--" + without.GetFlag().Name + " needs a value"
	case errors.As(err, &invalid):
		text = fmt.Sprintf("the value of --%s is not of type %s", invalid.GetFlag().Name, invalid.GetFlag().Value.Type())
	}
	return failed(wrongUsage, fmt.Sprintf("`%s --help` lists the flags", c.CommandPath()), "%s: %s", c.CommandPath(), text)
}
