package store

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// fileSystemTime returns the time that the file system gives to a file which is
// touched now. On a network file system that is the server's clock, which all
// replicas share. Who may not write gets the zero time.
func fileSystemTime(dir *os.File) (time.Time, error) {
	err := touch(dir)
	if err == unix.ENOENT {
		var lock *os.File
		if lock, err = openAt(dir, lockFile, unix.O_RDWR|unix.O_CREAT); err != nil {
			return readerTime(err)
		}
		lock.Close()
		err = touch(dir)
	}
	var status unix.Stat_t
	if err == nil {
		err = unix.Fstatat(int(dir.Fd()), lockFile, &status, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return readerTime(err)
	}
	return time.Unix(status.Mtim.Unix()), nil
}

func touch(dir *os.File) error {
	now := unix.Timespec{Nsec: unix.UTIME_NOW}
	return unix.UtimesNanoAt(int(dir.Fd()), lockFile, []unix.Timespec{now, now}, unix.AT_SYMLINK_NOFOLLOW)
}

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
