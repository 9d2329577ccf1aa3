package envoy

import (
	"errors"
	"unsafe"

	"google.golang.org/protobuf/proto"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// checkRequest reads a CheckRequest where it lies. Its strings point into the
// message: they hold as long as the message does, and no longer than until the
// next read or reset. Metadata and certificates are decoded when asked for.
type checkRequest struct {
	texts      [textSlots]string
	http       bool // an HTTP request is described
	headers    headers
	extensions []entry
	metadata   []entry // the values are messages of type Struct
	values     int     // of the entry that is being walked

	leaves *leaves
}

// entry is one of a map. Of two with one key the later counts.
type entry struct{ key, value string }

// read reads a message, of which nothing may change while it is in use. An
// error is that of the generated types.
func (m *checkRequest) read(message []byte, s *shape) error {
	m.reset()
	if !m.walk(message, s, 0) {
		if err := m.readOdd(message, s); err != nil {
			return err
		}
	}
	m.headers.lower()
	return nil
}

// readOdd reads a message as the generated types do and writes again what they
// understood, which then is plain, but for nesting and length.
func (m *checkRequest) readOdd(message []byte, s *shape) error {
	var reference authv3.CheckRequest
	err := proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(message, &reference)
	if err != nil {
		return err
	}
	plain, err := proto.Marshal(&reference)
	if err != nil {
		return err
	}
	m.reset()
	m.headers.canonical = true
	if !m.walk(plain, s, 0) {
		return errTooDeep
	}
	return nil
}

var errTooDeep = errors.New("nested too deep")

// reset forgets everything but the memory, so that nothing of one message is
// seen in another, nor keeps it from being collected.
func (m *checkRequest) reset() {
	clear(m.texts[:])
	clear(m.extensions)
	clear(m.metadata)
	m.headers.reset()
	m.http, m.extensions, m.metadata, m.values = false, m.extensions[:0], m.metadata[:0], 0
}

// find returns the value of a key.
func find(entries []entry, key string) (value string, ok bool) {
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].key == key {
			return entries[i].value, true
		}
	}
	return "", false
}

// aliased is b as a string that shares its memory: the one place where bytes of
// a message become a string without being copied.
func aliased(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
