package authz

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// Cache keeps what was expensive to make, by SHA-256 of what it was made from.
// It holds verifications and signatures, never verdicts, is bounded in bytes,
// evicts the least recently used entry, and is safe for concurrent use: keys
// spread over shards with a lock each.
type Cache[V any] struct {
	shards [16]shard[V]
}

type shard[V any] struct {
	mu       sync.Mutex
	entries  map[[sha256.Size]byte]*list.Element
	order    list.List // most recently used first
	bytes    int
	maxBytes int
}

type cacheEntry[V any] struct {
	key     [sha256.Size]byte
	value   V
	size    int
	expires time.Time
}

// cacheOverhead is what an entry costs beside its value: key, map slot, list
// element, header. Measured on amd64 and rounded up.
const cacheOverhead = 240

// NewCache makes a cache of at most maxBytes; 0 or less holds nothing.
func NewCache[V any](maxBytes int) *Cache[V] {
	c := &Cache[V]{}
	for i := range c.shards {
		c.shards[i].entries = map[[sha256.Size]byte]*list.Element{}
		c.shards[i].maxBytes = maxBytes / len(c.shards)
	}
	return c
}

// Get returns a value that has not expired by now.
func (c *Cache[V]) Get(key [sha256.Size]byte, now time.Time) (value V, ok bool) {
	s := &c.shards[key[0]&15]
	s.mu.Lock()
	defer s.mu.Unlock()
	element, ok := s.entries[key]
	if !ok {
		return value, false
	}
	entry := element.Value.(*cacheEntry[V])
	if !now.Before(entry.expires) {
		s.remove(element)
		return value, false
	}
	s.order.MoveToFront(element)
	return entry.value, true
}

// Put keeps a value of about size bytes until expires, in place of an older
// one. A value larger than a sixteenth of the cache is not kept.
func (c *Cache[V]) Put(key [sha256.Size]byte, value V, size int, expires time.Time) {
	size += cacheOverhead
	s := &c.shards[key[0]&15]
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.entries[key]; ok {
		s.remove(old)
	}
	if size > s.maxBytes {
		return
	}
	for s.bytes+size > s.maxBytes {
		s.remove(s.order.Back())
	}
	s.entries[key] = s.order.PushFront(&cacheEntry[V]{key, value, size, expires})
	s.bytes += size
}

// Delete forgets a value.
func (c *Cache[V]) Delete(key [sha256.Size]byte) {
	s := &c.shards[key[0]&15]
	s.mu.Lock()
	defer s.mu.Unlock()
	if element, ok := s.entries[key]; ok {
		s.remove(element)
	}
}

// Bytes returns what the cache holds, in bytes.
func (c *Cache[V]) Bytes() int {
	total := 0
	for i := range c.shards {
		c.shards[i].mu.Lock()
		total += c.shards[i].bytes
		c.shards[i].mu.Unlock()
	}
	return total
}

func (s *shard[V]) remove(element *list.Element) {
	entry := s.order.Remove(element).(*cacheEntry[V])
	delete(s.entries, entry.key)
	s.bytes -= entry.size
}
