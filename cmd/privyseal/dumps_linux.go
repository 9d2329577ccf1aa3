package main

import "golang.org/x/sys/unix"

// forbidDumps keeps the private keys in this process: no core file of it is
// written, nor handed to a collector of crashes, and no other process of the
// same user may attach to it or read its memory.
func forbidDumps() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	return forbidCoreFiles()
}
