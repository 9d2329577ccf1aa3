package store

import (
	"errors"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// readerTime is the answer to who could not touch a file: no time if that is
// because nothing can be written here, which is no reason not to read.
func readerTime(err error) (time.Time, error) {
	for _, readOnly := range []error{fs.ErrPermission, unix.EROFS, unix.ENOSPC, unix.EDQUOT} {
		if errors.Is(err, readOnly) {
			return time.Time{}, nil
		}
	}
	return time.Time{}, reason(err)
}
