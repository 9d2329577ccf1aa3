package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

// maxInput bounds what is read from a file or from standard input, in bytes.
const maxInput = 1 << 20

// readInput reads the file that is named, or standard input for "-" and for no
// name.
func readInput(c *cobra.Command, args []string) ([]byte, error) {
	if len(args) == 0 || args[0] == "-" {
		return readBounded(c.InOrStdin(), "standard input")
	}
	f, err := os.Open(args[0])
	if err != nil {
		// The name is not repeated: it may be the secret itself, given in place
		// of a file.
		return nil, failed(no, "name a file, or - for standard input", "the file that was named cannot be opened: %v", errors.Unwrap(err))
	}
	defer f.Close()
	return readBounded(f, "the file")
}

func readBounded(r io.Reader, what string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %v", what, errors.Unwrap(err))
	}
	if len(text) > maxInput {
		return nil, fmt.Errorf("%s is larger than %d bytes", what, maxInput)
	}
	return text, nil
}

// writeNew writes a file that must not exist yet, readable as mode says from
// its first moment.
func writeNew(path string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return failed(no, "choose another name, or move the file away", "%s exists and is not overwritten", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
		return fmt.Errorf("writing %s: %v", path, err)
	}
	return nil
}
