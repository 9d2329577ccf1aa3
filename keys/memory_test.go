package keys

import (
	"context"
	"io/fs"
	"strconv"
	"sync"
	"time"
)

// memoryStore is a store in memory. Its hooks make it fail.
type memoryStore struct {
	mu       sync.Mutex
	document []byte
	revision int
	now      func() time.Time
	fail     func(swap bool) error // nil: never; asked before anything happens
	lose     func() error          // nil: never; asked after a swap was applied
}

func (s *memoryStore) Load(ctx context.Context) (Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := Version{Time: s.time()}
	if s.fail != nil {
		if err := s.fail(false); err != nil {
			return v, err
		}
	}
	if s.document == nil {
		return v, fs.ErrNotExist
	}
	v.Document, v.Revision = s.document, strconv.Itoa(s.revision)
	return v, ctx.Err()
}

func (s *memoryStore) Swap(ctx context.Context, document []byte, rev string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(true); err != nil {
			return "", err
		}
	}
	if rev == "" && s.document != nil || rev != "" && (s.document == nil || rev != strconv.Itoa(s.revision)) {
		return "", ErrConflict
	}
	s.document = document
	s.revision++
	if s.lose != nil {
		if err := s.lose(); err != nil {
			return "", err
		}
	}
	return strconv.Itoa(s.revision), nil
}

func (s *memoryStore) time() time.Time {
	if s.now == nil {
		return time.Time{}
	}
	return s.now()
}
