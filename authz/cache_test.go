package authz

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"
)

func cacheKey(i int) [sha256.Size]byte { return sha256.Sum256(fmt.Append(nil, i)) }

func TestCacheIsBoundedInBytes(t *testing.T) {
	const bound = 64 << 10
	c := NewCache[int](bound)
	for i := range 10_000 {
		c.Put(cacheKey(i), i, 100, noon.Add(time.Minute))
		if c.Bytes() > bound {
			t.Fatalf("%d bytes after %d entries", c.Bytes(), i)
		}
	}
	if v, ok := c.Get(cacheKey(9_999), noon); !ok || v != 9_999 {
		t.Error("the last entry is gone")
	}
	if _, ok := c.Get(cacheKey(0), noon); ok {
		t.Error("the first entry is still there")
	}
	c.Put(cacheKey(-1), 1, bound, noon.Add(time.Minute))
	if _, ok := c.Get(cacheKey(-1), noon); ok {
		t.Error("an entry larger than its shard was kept")
	}
}

func TestCacheForgets(t *testing.T) {
	c := NewCache[int](1 << 20)
	c.Put(cacheKey(1), 1, 1, noon)
	c.Put(cacheKey(2), 2, 1, noon.Add(time.Second))
	c.Put(cacheKey(2), 3, 1, noon.Add(time.Second))
	if _, ok := c.Get(cacheKey(1), noon); ok {
		t.Error("an entry outlives its end")
	}
	if v, _ := c.Get(cacheKey(2), noon); v != 3 {
		t.Errorf("%d", v)
	}
	c.Delete(cacheKey(2))
	if _, ok := c.Get(cacheKey(2), noon); ok || c.Bytes() != 0 {
		t.Errorf("%d bytes after the last entry", c.Bytes())
	}
}

func TestCacheUnderLoad(t *testing.T) {
	c := NewCache[int](16 << 10)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 2_000 {
				c.Put(cacheKey(i), i, i%200, noon.Add(time.Minute))
				if v, ok := c.Get(cacheKey(i), noon); ok && v != i {
					t.Errorf("goroutine %d: %d is %d", g, i, v)
				}
				c.Delete(cacheKey(i / 2))
			}
		})
	}
	all.Wait()
}

// TestCacheEvictsTheLeastRecentlyUsed: keys that share a shard, of which one is
// looked at before room is needed.
func TestCacheEvictsTheLeastRecentlyUsed(t *testing.T) {
	key := func(i byte) (k [sha256.Size]byte) { k[1] = i; return k } // one shard: the first byte is equal
	const shards, kept = 16, 3
	c := NewCache[byte](shards * kept * (100 + cacheOverhead))
	for i := range byte(kept) {
		c.Put(key(i), i, 100, noon.Add(time.Minute))
	}
	c.Get(key(0), noon)
	c.Put(key(kept), kept, 100, noon.Add(time.Minute))
	for i, want := range []bool{true, false, true, true} {
		if _, ok := c.Get(key(byte(i)), noon); ok != want {
			t.Errorf("entry %d: kept %v", i, ok)
		}
	}
}

func TestCacheOfNothing(t *testing.T) {
	for _, size := range []int{0, -1, 15} {
		c := NewCache[int](size)
		c.Put(cacheKey(1), 1, 0, noon.Add(time.Minute))
		if _, ok := c.Get(cacheKey(1), noon); ok || c.Bytes() != 0 {
			t.Errorf("a cache of %d bytes holds something", size)
		}
	}
}
