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
