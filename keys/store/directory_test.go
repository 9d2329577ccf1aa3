package store

import (
	"os"
	"path/filepath"
	"testing"
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
