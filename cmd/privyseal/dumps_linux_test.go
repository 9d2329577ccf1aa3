package main

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestForbidDumps(t *testing.T) {
	var before, after unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &before); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
		unix.Setrlimit(unix.RLIMIT_CORE, &before)
	})
	if err := forbidDumps(); err != nil {
		t.Fatal(err)
	}
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); dumpable != 0 || err != nil {
		t.Errorf("dumpable is %d, %v", dumpable, err)
	}
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &after); after.Cur != 0 || err != nil {
		t.Errorf("limit of core files is %d, %v", after.Cur, err)
	}
}
