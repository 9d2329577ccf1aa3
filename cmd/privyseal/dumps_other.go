//go:build !linux

package main

import "golang.org/x/sys/unix"

// forbidDumps keeps the private keys in this process: no core file of it is
// written.
func forbidDumps() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
