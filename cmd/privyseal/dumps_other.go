//go:build !linux

package main

// forbidDumps keeps the private keys in this process: no core file of it is
// written.
func forbidDumps() error { return forbidCoreFiles() }
