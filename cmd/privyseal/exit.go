package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses. Every error that is not a failure exits with no.
const (
	no          = 1
	wrongUsage  = 2
	unreachable = 3
)

// failure ends the program with a status. It is silent if err is nil, when
// everything has been said already.
type failure struct {
	status int
	err    error
	hint   string // what to do next
}

func (f *failure) Error() string {
	if f.err == nil {
		return "silent"
	}
	return f.err.Error()
}

func failed(status int, hint, format string, args ...any) error {
	return &failure{status, fmt.Errorf(format, args...), hint}
}

// conclude says on stderr what went wrong and what to do, and returns the exit
// status.
func conclude(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{status: no, err: err}
	}
	if f.err != nil {
		fmt.Fprintf(stderr, "privyseal: error: %s\n", strings.TrimRight(f.err.Error(), "\n"))
	}
	if f.hint != "" {
		fmt.Fprintf(stderr, "privyseal: hint: %s\n", f.hint)
	}
	return f.status
}

// warn says what the user should know although the command goes on.
func warn(c *cobra.Command, format string, args ...any) {
	fmt.Fprintf(c.ErrOrStderr(), "privyseal: warning: "+format+"\n", args...)
}

// say tells about what was done; it is never data.
func say(c *cobra.Command, format string, args ...any) {
	fmt.Fprintf(c.ErrOrStderr(), format+"\n", args...)
}
