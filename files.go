package privyseal

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
)

// files reads files and remembers what it saw, so that a state built from
// several files is known to be of one moment.
type files struct {
	read func(string) ([]byte, error)
	seen map[string][sha256.Size]byte // by path; the zero sum is unreadable
}

func newFiles(read func(string) ([]byte, error)) *files {
	if read == nil {
		read = readRegular
	}
	return &files{read: read, seen: map[string][sha256.Size]byte{}}
}

func (f *files) file(path string) ([]byte, error) {
	content, err := f.read(path)
	if err != nil {
		f.seen[path] = [sha256.Size]byte{}
		return nil, err
	}
	f.seen[path] = sha256.Sum256(content)
	return content, nil
}

// again reads the same files as they are now.
func (f *files) again() *files {
	now := newFiles(f.read)
	for path := range f.seen {
		now.file(path) // an unreadable file is remembered as such
	}
	return now
}

func (f *files) equal(other *files) bool { return maps.Equal(f.seen, other.seen) }

// unchanged reads the files once more: a writer may be in the midst of it.
func (f *files) unchanged() error {
	now := f.again()
	for _, path := range slices.Sorted(maps.Keys(f.seen)) {
		if now.seen[path] != f.seen[path] {
			return fmt.Errorf("%s changed while it was read: try again", path)
		}
	}
	return nil
}
