package main

import (
	"io"
	"log/slog"
	"os"
	"sync/atomic"

	"privyseal"
)

// applicationLog is text for a person at a terminal and JSON for everybody else.
func applicationLog(w io.Writer, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// configuredLevel is the log.level of the configuration in force, so that a
// reload changes it; before there is one it is info.
type configuredLevel struct {
	atomic.Pointer[privyseal.Service]
}

// Level implements [slog.Leveler].
func (l *configuredLevel) Level() slog.Level {
	var level slog.Level // info
	if service := l.Load(); service != nil {
		level.UnmarshalText([]byte(service.Config().Log.Level)) // was checked when it was loaded
	}
	return level
}
