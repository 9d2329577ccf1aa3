package main

import "golang.org/x/sys/unix"

// forbidCoreFiles keeps this process, and the private keys in it, out of files.
func forbidCoreFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return err
	}
	limit.Cur = 0
	return unix.Setrlimit(unix.RLIMIT_CORE, &limit)
}
