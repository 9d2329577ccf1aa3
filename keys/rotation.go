package keys

import (
	"errors"
	"time"
)

const (
	defaultPublishBefore = 15 * time.Minute
	maxPublishBefore     = 30 * 24 * time.Hour
	defaultMaxTTL        = 5 * time.Minute

	// retireAfter is how long verifiers may take an assertion that has expired:
	// 5 minutes is the widest leeway in common use, and one more is for clocks.
	retireAfter = 6 * time.Minute
)

// Rotation says how one set of configured keys follows another.
type Rotation struct {
	// PublishBefore is how long a key is to be published before it signs: as
	// long as the slowest verifier keeps a key set. Default 15m, at most 30
	// days.
	PublishBefore time.Duration
	// HoldNew makes a first key that has not been published for PublishBefore
	// wait, while the key before it goes on signing, even if that one is no
	// longer configured. Otherwise a first key signs from the moment it is
	// loaded, and what is missing is logged and metered.
	HoldNew bool
	// MaxTTL is the longest life of an assertion signed under this
	// configuration. Default 5m.
	MaxTTL time.Duration
}

func (r Rotation) withDefaults() (Rotation, error) {
	if r.PublishBefore == 0 {
		r.PublishBefore = defaultPublishBefore
	}
	if r.MaxTTL == 0 {
		r.MaxTTL = defaultMaxTTL
	}
	if r.PublishBefore < 0 || r.PublishBefore > maxPublishBefore {
		return r, optionError{"publish_before", "must be more than 0 and at most 720h"}
	}
	if r.MaxTTL < 0 {
		return r, errors.New("the longest life of an assertion is negative")
	}
	return r, nil
}
