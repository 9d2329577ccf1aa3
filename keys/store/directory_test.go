package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"privyseal/keys"
)

func TestDirectoryContract(t *testing.T) {
	testContract(t, func(t *testing.T) place {
		path := newDirectory(t)
		return place{address: "dir:" + path, remove: func(t *testing.T) {
			if err := os.Remove(filepath.Join(path, documentFile)); err != nil {
				t.Fatal(err)
			}
		}}
	})
}

// newDirectory returns a directory as an operator makes one.
func newDirectory(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyring")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// What must not be used as a keyring is refused, for reading and for writing,
// and never taken for an empty store.
func TestDirectoryRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(path, document string) error
		want    string
	}{
		{"missing directory", func(path, _ string) error { return os.Remove(path) }, "mount its volume"},
		{"file for a directory", func(path, _ string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600))
		}, "not a directory"},
		{"others may list the directory", func(path, _ string) error { return os.Chmod(path, 0o704) }, "0704 lets every user in"},
		{"others may enter the directory", func(path, _ string) error { return os.Chmod(path, 0o701) }, "0701 lets every user in"},
		{"others may write the directory", func(path, _ string) error { return os.Chmod(path, 0o702) }, "0702 lets every user in"},
		{"others may read the document", func(_, document string) error { return writeMode(document, 0o604) }, "0604 of keyring.json"},
		{"others may write the document", func(_, document string) error { return writeMode(document, 0o602) }, "0602 of keyring.json"},
		{"symbolic link", func(_, document string) error {
			return errors.Join(writeMode(document+".target", 0o600), os.Symlink(document+".target", document))
		}, "keyring.json is a symbolic link"},
		{"dangling link", func(_, document string) error { return os.Symlink("nowhere", document) }, "keyring.json is a symbolic link"},
		{"pipe", func(_, document string) error { return unix.Mkfifo(document, 0o600) }, "no regular file"},
		{"directory for a document", func(_, document string) error { return os.Mkdir(document, 0o700) }, "no regular file"},
		{"too large", func(_, document string) error {
			return os.WriteFile(document, make([]byte, maxDocument+1), 0o600)
		}, "more than 262144 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := newDirectory(t)
			if err := test.prepare(path, filepath.Join(path, documentFile)); err != nil {
				t.Fatal(err)
			}
			wantError(t, "dir:"+path, test.want)
		})
	}
}

// writeMode writes a file with a mode that the umask does not change.
func writeMode(name string, mode fs.FileMode) error {
	return errors.Join(os.WriteFile(name, []byte("document"), 0o600), os.Chmod(name, mode))
}

// A link in place of the lock file would let us create and touch what it points
// to.
func TestDirectoryLockIsNoLink(t *testing.T) {
	path := newDirectory(t)
	target := filepath.Join(t.TempDir(), "target")
	if err := os.Symlink(target, filepath.Join(path, lockFile)); err != nil {
		t.Fatal(err)
	}
	s := place{address: "dir:" + path}.open(t)
	if _, err := s.Swap(t.Context(), []byte("one"), ""); err == nil || !strings.Contains(err.Error(), "keyring.lock is a symbolic link") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the link was followed")
	}
}

// Kubernetes gives volumes to a group (fsGroup), so what a group may do is the
// operator's choice. What we write is for the owner alone.
func TestDirectoryModes(t *testing.T) {
	path := newDirectory(t)
	if err := os.Chmod(path, 0o770|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	document := filepath.Join(path, documentFile)
	if err := writeMode(document, 0o660); err != nil {
		t.Fatal(err)
	}
	s := place{address: "dir:" + path}.open(t)
	v, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	swap(t, s, []byte("two"), v.Revision)
	for _, name := range []string{documentFile, lockFile} {
		info, err := os.Stat(filepath.Join(path, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", name, info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(path); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v in the directory", entries, err)
	}
}

// A writer that hangs holds others up no longer than their contexts allow.
func TestDirectoryLockIsBounded(t *testing.T) {
	path := newDirectory(t)
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	s := place{address: "dir:" + path}.open(t)
	if _, err := s.Load(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading waits for no lock: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Swap(ctx, []byte("one"), ""); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, keys.ErrConflict) {
		t.Errorf("error %v, want an ended deadline", err)
	}
	lock.Close()
	swap(t, s, []byte("one"), "")
}
