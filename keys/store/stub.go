package store

import (
	"time"

	"privyseal/keys"
)

type Options struct {
	Now    func() time.Time
	Getenv func(string) string
}

func Open(address string, o Options) (keys.Store, error) { return nil, nil }
func Redact(address string) string                       { return address }
