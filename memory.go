package privyseal

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	measured "runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
)

// TuneMemory makes the garbage collector of this process run as rarely as its
// memory allows. It concerns the whole process, so it is for the binary, once;
// getenv is [os.Getenv].
//
// A service that decides holds little and makes much: with Go's default the
// collector runs whenever the heap has doubled, which for a heap of a few
// megabytes is hundreds of times a second under load, a tenth of the time of a
// check. So the heap may grow by [headroom] before it is collected, however
// little of it is alive, and by half of what is alive if that is more. Within a
// limit of memory, which is GOMEMLIMIT or nine tenths of the container's (cgroup
// v2 memory.max), the headroom is at most an eighth of it, and Go collects in
// time to stay below. GOGC, if it is set, is obeyed, and the headroom is not
// kept.
func TuneMemory(getenv func(string) string) (stop func()) {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 && getenv("GOMEMLIMIT") == "" {
		if container, ok := containerLimit("/sys/fs/cgroup/memory.max"); ok {
			limit = container / 10 * 9
			debug.SetMemoryLimit(limit)
		}
	}
	if getenv("GOGC") != "" {
		return func() {}
	}
	c := &collector{headroom: min(headroom, limit/8)}
	c.adjust()
	c.arm()
	return func() { c.stopped.Store(true) }
}

// headroom is what a heap may grow by before it is collected.
const headroom = 32 << 20

// collector sets the percentage at which the heap is collected after each
// collection, by what that left alive.
type collector struct {
	headroom int64
	percent  int
	stopped  atomic.Bool
}

// arm has the next collection adjust the percentage: it finds garbage that was
// left for it.
func (c *collector) arm() {
	type canary struct{ _ *int } // the pointer keeps it from being allocated together with others
	runtime.AddCleanup(new(canary), func(c *collector) {
		if !c.stopped.Load() {
			c.adjust()
			c.arm()
		}
	}, c)
}

func (c *collector) adjust() {
	// What the percentage is of: the live heap, and the stacks and variables
	// that are scanned with it.
	samples := []measured.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	measured.Read(samples)
	alive := uint64(0)
	for _, s := range samples {
		alive += s.Value.Uint64()
	}
	// Setting it stops the world for a moment: not for a small difference.
	if percent := growth(alive, c.headroom); percent < c.percent*9/10 || percent > c.percent*11/10 {
		c.percent = percent
		debug.SetGCPercent(percent)
	}
}

// growth returns the percentage by which a heap may grow over what is alive.
func growth(alive uint64, headroom int64) int {
	const atLeast, atMost = 50, 5000
	percent := 100 * float64(headroom) / float64(max(alive, 1))
	return int(min(max(percent, atLeast), atMost))
}

// containerLimit reads the limit that a container has.
func containerLimit(name string) (bytes int64, ok bool) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, false // not Linux, or no cgroup v2
	}
	bytes, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return bytes, err == nil && bytes > 0 // "max" is no number
}
