package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"privyseal/keys"
)

const writerVariable = "PRIVYSEAL_STORE_TEST_WRITER"

// TestMain makes the test binary a writer that can be killed.
func TestMain(m *testing.M) {
	if address := os.Getenv(writerVariable); address != "" {
		err := writeForever(address)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func writeForever(address string) error {
	s, err := Open(address, Options{})
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		v, err := s.Load(context.Background())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if _, err := s.Swap(context.Background(), versioned(os.Getpid()*1000+n), v.Revision); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// versioned returns a document that shows when a part of it is of another
// version.
func versioned(n int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%020d\n", n), 4000)
}

func wantOneVersion(t *testing.T, document []byte) {
	t.Helper()
	line, _, _ := bytes.Cut(document, []byte("\n"))
	if !bytes.Equal(document, bytes.Repeat(append(line, '\n'), 4000)) {
		t.Fatalf("the document is no complete version: %d bytes, %.40q", len(document), document)
	}
}

// Writers killed at any moment leave a complete document, and what they leave
// besides is removed by the next one.
func TestDirectorySurvivesKilledWriters(t *testing.T) {
	path := newDirectory(t)
	s := place{address: "dir:" + path}.open(t)
	leftovers := 0
	for range 50 {
		killWriter(t, "dir:"+path, rand.N(10*time.Millisecond))
		v, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantOneVersion(t, v.Document)
		leftovers += len(temporaries(t, path))
	}
	v, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	swap(t, s, versioned(1), v.Revision)
	if left := temporaries(t, path); len(left) > 0 {
		t.Errorf("%v are still there", left)
	}
	t.Logf("%d of 50 writers left a temporary file", leftovers)
}

// killWriter starts a writer and kills it a moment after its first write.
func killWriter(t *testing.T, address string, moment time.Duration) {
	t.Helper()
	writer := exec.Command(os.Args[0])
	writer.Env = append(os.Environ(), writerVariable+"="+address)
	writer.Stderr = os.Stderr
	output, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(output).ReadString('\n'); err != nil {
		t.Error(err)
	}
	<-time.After(moment)
	writer.Process.Kill()
	writer.Wait()
}

func temporaries(t *testing.T, path string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(path, temporaryPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A writer that stops at any byte of the new document has changed nothing.
func TestDirectorySurvivesEveryByte(t *testing.T) {
	path := newDirectory(t)
	s := place{address: "dir:" + path}.open(t)
	held := "version 0"
	rev := swap(t, s, []byte(held), "")
	next := strings.Repeat("next ", 40)
	for n := range len(next) + 1 {
		left := filepath.Join(path, temporaryPrefix+"OFADEADWRITER")
		if err := os.WriteFile(left, []byte(next[:n]), 0o600); err != nil {
			t.Fatal(err)
		}
		wantDocument(t, s, held, rev)
		held = fmt.Sprintf("version %d", n+1)
		rev = swap(t, s, []byte(held), rev)
		wantDocument(t, s, held, rev)
		if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("what a dead writer left is still there: %v", err)
		}
	}
}

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
