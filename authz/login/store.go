package login

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Store keeps what cookies cannot: sessions on a server, logouts, and the locks
// that serialise renewals. Its values are sealed before they reach it. It is
// safe for concurrent use; an error says that the store cannot be asked, and
// holds no value and no password.
type Store interface {
	// Read returns the values of keys, nil for a key that is absent.
	Read(ctx context.Context, keys ...string) ([][]byte, error)
	// Write sets a key for a time, at least a millisecond, if the condition
	// holds, as one step; written reports whether it did.
	Write(ctx context.Context, key string, value []byte, life time.Duration, when Condition) (written bool, err error)
	// Delete removes keys; absent ones are no error.
	Delete(ctx context.Context, keys ...string) error
}

// Condition is when [Store.Write] writes.
type Condition int

// The conditions.
const (
	Always Condition = iota
	IfAbsent
	IfPresent
)

// maxRemembered bounds the memory of a process: some 10 MB.
const maxRemembered = 50_000

var errFull = errors.New("too many logouts are remembered: use a session store")

// memory is a Store for what one process remembers: logouts, where sessions are
// in cookies. It forgets nothing before its time; when it is full it refuses.
type memory struct {
	now func() time.Time

	mu      sync.Mutex // guards entries
	entries map[string]memoryEntry
}

type memoryEntry struct {
	value   []byte
	expires time.Time
}

var _ Store = (*memory)(nil)

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, entries: map[string]memoryEntry{}}
}

// Read implements [Store].
func (m *memory) Read(_ context.Context, keys ...string) ([][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	values := make([][]byte, len(keys))
	for i, key := range keys {
		if e, ok := m.entries[key]; ok && m.now().Before(e.expires) {
			values[i] = e.value
		}
	}
	return values, nil
}

// Write implements [Store].
func (m *memory) Write(_ context.Context, key string, value []byte, life time.Duration, when Condition) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	e, present := m.entries[key]
	present = present && now.Before(e.expires)
	if when == IfAbsent && present || when == IfPresent && !present {
		return false, nil
	}
	if len(m.entries) >= maxRemembered && !present {
		for other, e := range m.entries {
			if !now.Before(e.expires) {
				delete(m.entries, other)
			}
		}
		if len(m.entries) >= maxRemembered {
			return false, errFull
		}
	}
	m.entries[key] = memoryEntry{value, now.Add(life)}
	return true, nil
}

// Delete implements [Store].
func (m *memory) Delete(_ context.Context, keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		delete(m.entries, key)
	}
	return nil
}
