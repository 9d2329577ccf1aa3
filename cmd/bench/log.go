//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
)

// lastLines keeps the last lines of a child's log, and finds the one that says
// ready.
type lastLines struct {
	ready chan string // the address in that line; room for one

	mu      sync.Mutex // guards the following
	partial []byte
	kept    []string
}

// Write implements [io.Writer].
func (l *lastLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, b...)
	for {
		line, rest, found := bytes.Cut(l.partial, []byte("\n"))
		if !found {
			return len(b), nil
		}
		l.kept = append(l.kept[max(0, len(l.kept)-19):], string(line))
		var said struct{ Msg, GRPC string }
		if json.Unmarshal(line, &said) == nil && said.Msg == "ready" {
			select {
			case l.ready <- said.GRPC:
			default:
			}
		}
		l.partial = rest
	}
}

// String returns the last lines.
func (l *lastLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.kept, "\n")
}
