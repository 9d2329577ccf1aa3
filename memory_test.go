package privyseal

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
)

func TestGrowthIsTheHeadroomOrHalf(t *testing.T) {
	const mega = 1 << 20
	for _, c := range []struct {
		alive    uint64
		headroom int64
		want     int
	}{
		{4 * mega, 64 * mega, 1600},
		{64 * mega, 64 * mega, 100},
		{256 * mega, 64 * mega, 50},
		{0, 64 * mega, 5000},
		{4 * mega, 4 * mega, 100},
	} {
		if got := growth(c.alive, c.headroom); got != c.want {
			t.Errorf("alive %d, headroom %d: %d%%, want %d%%", c.alive, c.headroom, got, c.want)
		}
	}
}

func TestContainerLimit(t *testing.T) {
	for content, want := range map[string]int64{"268435456\n": 256 << 20, "max\n": 0, "": 0, "-1\n": 0} {
		name := filepath.Join(t.TempDir(), "memory.max")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, ok := containerLimit(name); ok != (want > 0) || ok && got != want {
			t.Errorf("%q: %d, %v", content, got, ok)
		}
	}
	if _, ok := containerLimit(filepath.Join(t.TempDir(), "none")); ok {
		t.Error("a limit without a file")
	}
}

// TestMemoryIsTuned: the percentage follows what is alive, and an operator's own
// choice stays.
func TestMemoryIsTuned(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })

	TuneMemory(func(name string) string { return map[string]string{"GOGC": "100", "GOMEMLIMIT": "off"}[name] })()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("GOGC is set, and the percentage is %d", got)
	}
	stop := TuneMemory(func(string) string { return "" })
	defer stop()
	small := debug.SetGCPercent(100)
	if small <= 100 {
		t.Fatalf("with a small heap: %d%%", small)
	}
	held := make([]byte, 128<<20)
	for range 100 { // cleanups run some time after a collection
		runtime.GC()
		if now := debug.SetGCPercent(100); now != 100 {
			if now >= small {
				t.Errorf("with a large heap %d%%, with a small one %d%%", now, small)
			}
			runtime.KeepAlive(held)
			return
		}
	}
	t.Error("no collection adjusted the percentage")
}
