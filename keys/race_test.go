//go:build race

package keys

// raceEnabled makes tests that take long do less, and say so.
const raceEnabled = true
