package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockFile        = "keyring.lock"
	temporaryPrefix = documentFile + ".tmp-"
)

// lockDirectory waits until this is the only writer. The lock file is opened
// for writing, which network file systems require, and is never removed: two
// writers would lock two files.
func lockDirectory(ctx context.Context, dir *os.File) (*os.File, error) {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("gave up waiting for another writer, who holds %s: %w", lockFile, err)
		}
		lock, err := tryLock(dir)
		if err != nil || lock != nil {
			return lock, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// tryLock returns nil if another writer holds the lock.
func tryLock(dir *os.File) (*os.File, error) {
	lock, err := openAt(dir, lockFile, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return nil, reason(err)
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return lock, nil
	}
	lock.Close()
	if err == unix.EWOULDBLOCK || err == unix.EINTR {
		return nil, nil
	}
	return nil, fmt.Errorf("cannot lock %s: %v; use a file system that has flock", lockFile, err)
}

// removeLeftovers removes what killed writers did not finish. Whoever holds the
// lock knows that nobody is still at it.
func removeLeftovers(dir *os.File) error {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return reason(err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, temporaryPrefix) {
			continue
		}
		if err := unix.Unlinkat(int(dir.Fd()), name, 0); err != nil && err != unix.ENOENT {
			return fmt.Errorf("cannot remove %s, which a killed writer left: %v", name, err)
		}
	}
	return nil
}

// replaceDocument makes document the content of the file, and makes sure that it
// still is after a power failure. Whoever is killed on the way leaves the old
// document and a temporary file. The temporary name is random: on a file system
// that lost the lock, two writers still do not write into one file.
func replaceDocument(dir *os.File, document []byte) error {
	name := temporaryPrefix + rand.Text()
	f, err := openAt(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return reason(err)
	}
	_, err = f.Write(document)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = unix.Renameat(int(dir.Fd()), name, int(dir.Fd()), documentFile)
	}
	if err != nil {
		unix.Unlinkat(int(dir.Fd()), name, 0)
		return reason(err)
	}
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("the document was replaced, but may not survive a power failure: %v", err)
	}
	return nil
}
