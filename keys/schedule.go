package keys

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	defaultRotateEvery = 7 * 24 * time.Hour
	minRotateEvery     = time.Hour
	maxRotateEvery     = 90 * 24 * time.Hour

	// defaultPublishFor is how long a key is published before it signs: the
	// slowest verifiers in common use fetch once a day; the rest is for caches
	// on the way, stores, and clocks.
	defaultPublishFor = 26 * time.Hour
	minPublishFor     = maxMaxAge + 20*time.Minute

	// maxMaxAge is how long caches may keep the key set. It is part of
	// publish_before, so it may not be a large one.
	maxMaxAge = 5 * time.Minute

	// afterLife is what verifiers, clocks and replicas add to the life of an
	// assertion: 5 minutes is the widest leeway in common use, 1 is for clocks,
	// and 10 are for replicas that see late that a key signs no longer.
	afterLife = 16 * time.Minute

	// maxSkew is how far the clock of a replica may be from the store's before
	// the replica stops to change anything.
	maxSkew = time.Minute
)

// Schedule says when the keys of a shared ring follow one another. All replicas
// are to have the same one; while they differ, each key keeps the times that
// were written down when it was made.
type Schedule struct {
	// Algorithm of new keys: ES256, ES384, ES512, EdDSA, RS256 or PS256. Default
	// ES256, which every verifier knows.
	Algorithm string
	// RotateEvery is how long a key signs. Default 168h (a week), 1h to 2160h.
	RotateEvery time.Duration
	// PublishBefore is how long a key is at least published before it signs: as
	// long as the slowest verifier keeps a key set. Default 26h, at least 25m and
	// at most rotate_every.
	PublishBefore time.Duration
	// AllowShortPeriods permits periods below these bounds, at which common
	// verifiers refuse good assertions. For demonstrations and tests. Default
	// false.
	AllowShortPeriods bool
	// MaxTTL is the longest life of an assertion. Default 5m.
	MaxTTL time.Duration
}

// Validate returns what is wrong with a schedule. The error implements
// interface{ OptionPath() string }.
func (s Schedule) Validate() error {
	_, err := s.withDefaults()
	return err
}

// withDefaults completes a schedule, or says which of its options is wrong.
func (s Schedule) withDefaults() (Schedule, error) {
	if s.Algorithm == "" {
		s.Algorithm = "ES256"
	}
	if s.RotateEvery == 0 {
		s.RotateEvery = defaultRotateEvery
	}
	if s.PublishBefore == 0 {
		s.PublishBefore = min(defaultPublishFor, s.RotateEvery)
	}
	if s.MaxTTL == 0 {
		s.MaxTTL = defaultMaxTTL
	}
	return s, s.check()
}

func algorithms() []string { return []string{"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"} }

func (s Schedule) check() error {
	minRotate, minPublish := minRotateEvery, minPublishFor
	hint := ": verifiers that keep a key set for longer would refuse good assertions; allow_short_periods: true permits it for demonstrations and tests"
	if s.AllowShortPeriods {
		minRotate, minPublish, hint = time.Second, 100*time.Millisecond, ""
	}
	switch {
	case !slices.Contains(algorithms(), s.Algorithm):
		return optionError{"algorithm", fmt.Sprintf("unknown algorithm %q: use one of %s", s.Algorithm, strings.Join(algorithms(), ", "))}
	case s.RotateEvery < minRotate:
		return optionError{"rotate_every", fmt.Sprintf("%v is less than %v%s", s.RotateEvery, minRotate, hint)}
	case s.RotateEvery > maxRotateEvery:
		return optionError{"rotate_every", fmt.Sprintf("%v is more than %v: a key is not to sign for longer", s.RotateEvery, maxRotateEvery)}
	case s.PublishBefore < minPublish:
		return optionError{"publish_before", fmt.Sprintf("%v is less than %v%s", s.PublishBefore, minPublish, hint)}
	case s.PublishBefore > s.RotateEvery:
		return optionError{"publish_before", fmt.Sprintf("%v is more than rotate_every, %v: a key is made when the one before it begins to sign, and must be published for long enough when its turn comes", s.PublishBefore, s.RotateEvery)}
	case s.MaxTTL < 0:
		return optionError{"", "the longest life of an assertion is negative"}
	case s.retireAfter(s.MaxTTL)/s.RotateEvery > maxRetired:
		return optionError{"rotate_every", fmt.Sprintf("%v is too short for assertions that live %v: more than %d retired keys would be published at a time, which verifiers would not read", s.RotateEvery, s.MaxTTL, maxRetired)}
	}
	return nil
}

// maxRetired leaves room for the other keys of a key set of maxKeys.
const maxRetired = maxKeys * 3 / 4

// retireAfter is how long a key that signs no longer stays published: until the
// last assertion it can have signed, of a life of ttl, has expired everywhere.
func (s Schedule) retireAfter(ttl time.Duration) time.Duration {
	return ttl + min(afterLife, s.PublishBefore) // less only for short periods
}

// Propagation is how long a replica may go without news of a document that is
// about to matter: a part of PublishBefore, at most 5 minutes.
func (s Schedule) Propagation() time.Duration { return min(5*time.Minute, s.PublishBefore/10) }

// pollEvery is the pause between two looks at the store, before jitter.
func (s Schedule) pollEvery() time.Duration { return max(s.Propagation()/5, 50*time.Millisecond) }

// maxAge is how long caches may keep the key set, in whole seconds.
func (s Schedule) maxAge() time.Duration {
	return min(maxMaxAge, s.PublishBefore/4).Truncate(time.Second)
}

// optionError tells the configuration loader which option is meant.
type optionError struct{ path, text string }

func (e optionError) Error() string {
	if e.path == "" {
		return e.text
	}
	return e.path + ": " + e.text
}

// OptionPath returns the option's place below the struct that was given.
func (e optionError) OptionPath() string { return e.path }
