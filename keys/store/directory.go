package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"privyseal/keys"
)

const documentFile = "keyring.json"

// directory keeps the document in a file. Every operation opens the directory
// once and stays in it, so that one operation never sees two volumes.
type directory struct{ path string }

var _ interface {
	keys.Store
	keys.Watcher
	fmt.Stringer
} = directory{}

func openDirectory(address string) (keys.Store, error) {
	path := strings.TrimPrefix(address, "dir:")
	if path == "" || strings.ContainsRune(path, 0) {
		return nil, fmt.Errorf("%q names no directory: expected dir:/path/of/directory", address)
	}
	return directory{path}, nil
}

// String returns the address.
func (d directory) String() string { return "dir:" + d.path }

// Load implements [keys.Store].
func (d directory) Load(ctx context.Context) (keys.Version, error) {
	if err := ctx.Err(); err != nil {
		return keys.Version{}, d.failed("read", err)
	}
	dir, err := d.open()
	if err != nil {
		return keys.Version{}, d.failed("read", err)
	}
	defer dir.Close()
	document, err := readDocument(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return keys.Version{}, d.failed("read", err)
	}
	now, clockErr := fileSystemTime(dir)
	if clockErr != nil {
		return keys.Version{}, d.failed("read the clock of", clockErr)
	}
	if err != nil {
		return keys.Version{Time: now}, d.failed("read", err)
	}
	return keys.Version{Document: document, Revision: contentRevision(document), Time: now}, nil
}

// Swap implements [keys.Store].
func (d directory) Swap(ctx context.Context, document []byte, rev string) (string, error) {
	if err := checkDocument(document); err != nil {
		return "", d.failed("write", err)
	}
	if err := d.swap(ctx, document, rev); err != nil {
		return "", d.failed("write", err)
	}
	return contentRevision(document), nil
}

func (d directory) swap(ctx context.Context, document []byte, rev string) error {
	dir, err := d.open()
	if err != nil {
		return err
	}
	defer dir.Close()
	lock, err := lockDirectory(ctx, dir)
	if err != nil {
		return err
	}
	defer lock.Close() // releases the lock
	switch held, err := readDocument(dir); {
	case errors.Is(err, fs.ErrNotExist):
		if rev != "" {
			return conflict()
		}
	case err != nil:
		return err
	case contentRevision(held) != rev:
		return conflict()
	}
	if err := removeLeftovers(dir); err != nil {
		return err
	}
	return replaceDocument(dir, document)
}

// Watch implements [keys.Watcher]. It compares contents: reading a few kilobytes
// costs no more than finding out whether they changed.
func (d directory) Watch(ctx context.Context, rev string) error {
	err := poll(ctx, rev, func(context.Context) (string, error) {
		dir, err := d.open()
		if err != nil {
			return "", err
		}
		defer dir.Close()
		document, err := readDocument(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		return contentRevision(document), err
	})
	if err != nil {
		return d.failed("watch", err)
	}
	return nil
}

// open opens the directory. That it is missing means that a volume is not
// mounted, and must not look like a store without a document.
func (d directory) open() (*os.File, error) {
	dir, err := os.OpenFile(d.path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("the directory does not exist: mount its volume, or make it with `install -d -m 0700`")
	}
	if err != nil {
		return nil, reason(err)
	}
	info, err := dir.Stat()
	if err == nil && info.Mode().Perm()&0o007 != 0 {
		err = fmt.Errorf("its mode %04o lets every user in: `chmod o-rwx` it, or use a directory inside of it that is closed", info.Mode().Perm())
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

func (d directory) failed(what string, err error) error {
	return fmt.Errorf("cannot %s the keyring in %s: %w", what, d, err)
}

// contentRevision is the revision of a document in a file: there is no other
// place that changes with it in one step.
func contentRevision(document []byte) string {
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:])
}

// openAt opens a file of the directory itself: not what a symbolic link points
// to, and without waiting for the other end of a pipe.
func openAt(dir *os.File, name string, flags int) (*os.File, error) {
	for {
		fd, err := unix.Openat(int(dir.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
		switch {
		case err == unix.EINTR:
		case err == unix.ELOOP:
			return nil, fmt.Errorf("%s is a symbolic link: put the file itself there", name)
		case err != nil:
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		default:
			return os.NewFile(uintptr(fd), name), nil
		}
	}
}

// readDocument needs no lock: the file is only ever replaced as a whole.
func readDocument(dir *os.File) ([]byte, error) {
	f, err := openAt(dir, documentFile, unix.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, absent()
	}
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file: move it away", documentFile)
	case info.Mode().Perm()&0o007 != 0:
		return nil, fmt.Errorf("the mode %04o of %s lets every user in: rotate its keys if somebody may have read them, and `chmod o-rwx` it", info.Mode().Perm(), documentFile)
	}
	document, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err == nil && len(document) > maxDocument {
		err = fmt.Errorf("%s has more than %d bytes: it is no keyring", documentFile, maxDocument)
	}
	return document, err
}

// reason drops the path, which the caller names, and the chain: that a file is
// missing in an unexpected place must not look like a store without a document.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%v: free some space; the document is as it was", err)
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("%v: mount it writable for the replicas that rotate keys", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%v: let the user of this process own the directory and its files", err)
	}
	return fmt.Errorf("%v", err)
}
