package privyseal

import (
	"context"
	"time"
)

// pollEvery is how often files are read for changes. Reading contents, rather
// than waiting for notifications, sees what editors, renames, bind mounts and
// Kubernetes' symbolic links do alike.
const pollEvery = 2 * time.Second

// watch reloads when a file changed, and lets the key ring advance when a moment
// of its own comes, until ctx ends. afterwards is called each time.
func (s *Service) watch(ctx context.Context, afterwards func()) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last *files
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.ring.Advance()
			last = s.poll(last)
			afterwards()
		}
	}
}

// poll reloads if the files differ from those that the last reload read, good or
// bad, and two successive readings agree: one may be of a file half written. A
// file that is missing is one of those, so its appearance is a change.
func (s *Service) poll(last *files) *files {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	now := s.files.again()
	stable := last != nil && now.equal(last)
	if stable && !now.equal(&s.files) {
		s.reload() // logged there
	}
	return now
}
