package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"privyseal/keys"
)

// mountSmall mounts a file system of 1 MiB, which only root can.
func mountSmall(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 && os.Getenv("CI") == "" {
		t.Skip("only root can mount a file system of its own; the continuous integration does")
	}
	path := newDirectory(t)
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		t.Fatal("cannot mount a file system for the test: ", err)
	}
	t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) })
	return path
}

// A full disk leaves the document as it was.
func TestDirectoryFullDisk(t *testing.T) {
	path := mountSmall(t)
	s := place{address: "dir:" + path}.open(t)
	rev := swap(t, s, []byte("one"), "")
	filler := filepath.Join(path, "filler")
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	if _, err := s.Swap(t.Context(), versioned(1), rev); err == nil || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("error %v, want one that says to free space", err)
	}
	wantDocument(t, s, "one", rev)
	if left := temporaries(t, path); len(left) > 0 {
		t.Errorf("%v takes space", left)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	swap(t, s, versioned(1), rev)
}

// A full disk without a lock file can still be read; there is only no clock.
func TestDirectoryFullDiskWithoutLock(t *testing.T) {
	path := mountSmall(t)
	if err := os.WriteFile(filepath.Join(path, documentFile), []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", path, "", unix.MS_REMOUNT, "size=1m,nr_inodes=2"); err != nil {
		t.Fatal(err)
	}
	v, err := place{address: "dir:" + path}.open(t).Load(t.Context())
	if err != nil || string(v.Document) != "one" || !v.Time.IsZero() {
		t.Errorf("got %q at %v, %v", v.Document, v.Time, err)
	}
}

// Who may only read gets the document, without a time.
func TestDirectoryReadOnly(t *testing.T) {
	path := mountSmall(t)
	s := place{address: "dir:" + path}.open(t)
	rev := swap(t, s, []byte("one"), "")
	if err := unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	v, err := s.Load(t.Context())
	if err != nil || string(v.Document) != "one" || !v.Time.IsZero() {
		t.Errorf("got %q at %v, %v; want the document without a time", v.Document, v.Time, err)
	}
	if _, err := s.Swap(t.Context(), []byte("two"), rev); err == nil || errors.Is(err, keys.ErrConflict) || !strings.Contains(err.Error(), "mount it writable") {
		t.Errorf("error %v, want one that says to mount it writable", err)
	}
}
