package keys

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// The methods below are all that printers and encoders look for. They have
// value receivers, so that they hold for values and pointers alike.
var (
	_ fmt.Formatter  = Key{}
	_ fmt.Formatter  = Set{}
	_ slog.LogValuer = Key{}
	_ slog.LogValuer = Set{}
)

// String names the key: its algorithm and key ID.
func (k Key) String() string { return k.alg.String() + " " + k.id }

// Format writes String for every verb and flag.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// MarshalText returns String; JSON and YAML encoders use it.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// LogValue returns String.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// String names the keys of the set.
func (s Set) String() string {
	names := make([]string, len(s.keys))
	for i, k := range s.keys {
		names[i] = k.String()
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// Format writes String for every verb and flag.
func (s Set) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// MarshalText returns String; JSON and YAML encoders use it.
func (s Set) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns String.
func (s Set) LogValue() slog.Value { return slog.StringValue(s.String()) }
