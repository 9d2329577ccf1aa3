//go:build race && !long

package keys

// raceEnabled makes tests that take long do less, and say so. The build tag
// "long" has them do everything under the race detector too.
const raceEnabled = true
