package envoy

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The walk reads a message in one pass and keeps what requests are made of,
// without making anything. It reads the form that encoders write. Whatever else
// the format allows, and whatever is wrong, it leaves to the generated types:
// they decide what such a message means, or that it means nothing. So a message
// that the walk finds plain is one that they accept, with the same content.

// maxWalkDepth bounds the nesting of what is walked. Envoy's own messages nest
// eight deep; metadata nests as its author likes.
const maxWalkDepth = 64

// maxPlainHeaders bounds the headers that are compared with each other for a
// repeated key, which in a map replaces the one before.
const maxPlainHeaders = 128

// walk keeps what b, a message of shape s, holds, and reports whether it is
// plain. If it is not, what was kept is worth nothing.
func (m *checkRequest) walk(b []byte, s *shape, depth int) (plain bool) {
	if depth > maxWalkDepth {
		return false
	}
	for len(b) > 0 {
		tag, n := protowire.ConsumeVarint(b)
		number, wire := protowire.Number(tag>>3), protowire.Type(tag&7)
		if n < 0 || tag>>3 < uint64(protowire.MinValidNumber) || tag>>3 > uint64(protowire.MaxValidNumber) {
			return false
		}
		b = b[n:]
		f := s.field(number)
		if f.kind == oddField {
			return false
		}
		if wire != protowire.BytesType { // nothing that we read, or, as a wrong type, an unknown field
			if n = protowire.ConsumeFieldValue(number, wire, b); n < 0 {
				return false
			}
			b = b[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(b)
		if n < 0 || !m.value(f, value, depth) {
			return false
		}
		b = b[n:]
	}
	return true
}

// value keeps one value of a field.
func (m *checkRequest) value(f field, value []byte, depth int) (plain bool) {
	switch f.kind {
	case textField:
		if !utf8.Valid(value) {
			return false
		}
		m.texts[f.slot] = aliased(value)
	case bytesField:
		m.texts[f.slot] = aliased(value)
	case messageField:
		return m.begin(f.slot, value) && m.walk(value, f.message, depth+1) && m.end(f.slot)
	}
	return true
}

// begin is called before a message is walked. Where a message may not occur
// twice, its second occurrence adds to the first, and the walk does the same.
func (m *checkRequest) begin(s slot, value []byte) (plain bool) {
	switch s {
	case httpMessage:
		m.http = true
	case otherAddress:
		m.texts[clientText] = ""
	case headerEntry, headerLine, extensionEntry:
		m.texts[entryKey], m.texts[entryValue], m.texts[entryRaw] = "", "", ""
	case metadataEntry:
		m.texts[entryKey], m.texts[entryValue], m.values = "", "", 0
	case metadataValue:
		m.texts[entryValue] = aliased(value)
		m.values++
		return m.values == 1 // two in one entry would have to be joined
	}
	return true
}

// end is called after a message was walked.
func (m *checkRequest) end(s slot) (plain bool) {
	key, value := m.texts[entryKey], m.texts[entryValue]
	switch s {
	case headerEntry:
		return m.headers.put(key, value)
	case headerLine:
		if raw := m.texts[entryRaw]; raw != "" {
			m.headers.add(key, value, raw)
		} else {
			m.headers.add(key, value, value)
		}
	case extensionEntry:
		m.extensions = append(m.extensions, entry{key, value})
	case metadataEntry:
		m.metadata = append(m.metadata, entry{key, value})
	}
	return true
}
