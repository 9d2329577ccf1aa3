package privyseal

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// pollEvery is how often files are read for changes. Reading contents, rather
// than waiting for notifications, sees what editors, renames, bind mounts and
// Kubernetes' symbolic links do alike.
const pollEvery = 2 * time.Second

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

// watch reloads when a file changed or a SIGHUP came, and lets the key ring
// advance when a moment of its own comes, until ctx ends.
func (s *Service) watch(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last *files
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			s.Reload() // logged there
		case <-tick.C:
			s.ring.Advance()
			last = s.poll(last)
		}
	}
}

// poll reloads if the files differ from those in force and two successive
// readings agree: one reading may be of a file half written. After a failure it
// tries again at each reading, because what was missing may have appeared.
func (s *Service) poll(last *files) *files {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	now := s.files.again()
	stable := last != nil && now.equal(last)
	if stable && (s.failed != "" || !now.equal(&s.files)) {
		s.reload() // logged there
	}
	return now
}
