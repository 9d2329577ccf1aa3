//go:build !race || long

package keys

const raceEnabled = false
