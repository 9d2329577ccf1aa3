package envoy

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// shape is what the walk knows of one message: its fields by number. Shapes are
// made of the generated types' own descriptors, so the two cannot drift apart.
type shape struct {
	dense  []field // by number, as far as the table is small
	sparse map[protowire.Number]field
}

// field is what the walk checks of a field, and where it puts the value.
type field struct {
	kind    fieldKind
	slot    slot
	message *shape // of a message or a map's entry
}

type fieldKind uint8

const (
	unknownField fieldKind = iota // checked for its length only
	numberField                   // of which we read none
	bytesField
	textField // UTF-8
	messageField
	oddField // of a kind that no message has today
)

// slot names a value that requests are made of.
type slot uint8

const (
	noSlot slot = iota
	methodText
	schemeText
	hostText
	pathText
	clientText
	principalText
	certificateText
	entryKey // of the entry that is being walked
	entryValue
	entryRaw
	textSlots // how many slots hold a text

	httpMessage  // begins the description of an HTTP request
	otherAddress // an address that is no socket address: it replaces one
	headerEntry  // of the map
	headerLine   // of the list
	extensionEntry
	metadataEntry
	metadataValue
)

// newShape returns the shape of a CheckRequest.
func newShape() *shape {
	const http = "attributes.request.http"
	m := shapes{plain: map[protoreflect.FullName]*shape{}, wanted: map[string]slot{
		http:                                   httpMessage,
		http + ".method":                       methodText,
		http + ".scheme":                       schemeText,
		http + ".host":                         hostText,
		http + ".path":                         pathText,
		http + ".headers":                      headerEntry,
		http + ".headers.key":                  entryKey,
		http + ".headers.value":                entryValue,
		http + ".header_map.headers":           headerLine,
		http + ".header_map.headers.key":       entryKey,
		http + ".header_map.headers.value":     entryValue,
		http + ".header_map.headers.raw_value": entryRaw,

		"attributes.source.address.socket_address.address": clientText,
		"attributes.source.address.pipe":                   otherAddress,
		"attributes.source.address.envoy_internal_address": otherAddress,
		"attributes.source.principal":                      principalText,
		"attributes.source.certificate":                    certificateText,

		"attributes.context_extensions":                     extensionEntry,
		"attributes.context_extensions.key":                 entryKey,
		"attributes.context_extensions.value":               entryValue,
		"attributes.metadata_context.filter_metadata":       metadataEntry,
		"attributes.metadata_context.filter_metadata.key":   entryKey,
		"attributes.metadata_context.filter_metadata.value": metadataValue,
	}}
	return m.shape(new(authv3.CheckRequest).ProtoReflect().Descriptor(), "")
}

// shapes makes shapes. One that leads to nothing wanted is made once for each
// message, which also ends the recursion of messages that hold themselves.
type shapes struct {
	plain  map[protoreflect.FullName]*shape
	wanted map[string]slot // by path
}

func (m *shapes) shape(d protoreflect.MessageDescriptor, path string) *shape {
	s := &shape{sparse: map[protowire.Number]field{}}
	if !m.leadsTo(path) {
		if known, ok := m.plain[d.FullName()]; ok {
			return known
		}
		m.plain[d.FullName()] = s
	}
	if path != "" {
		path += "."
	}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		s.sparse[f.Number()] = m.field(f, path+string(f.Name()))
	}
	s.dense = make([]field, 16)
	for number := range s.dense {
		s.dense[number] = s.sparse[protowire.Number(number)]
	}
	return s
}

// leadsTo reports whether a wanted value lies below a path.
func (m *shapes) leadsTo(path string) bool {
	for wanted := range m.wanted {
		if path == "" || strings.HasPrefix(wanted, path+".") {
			return true
		}
	}
	return false
}

func (m *shapes) field(d protoreflect.FieldDescriptor, path string) field {
	f := field{slot: m.wanted[path]}
	switch d.Kind() {
	case protoreflect.MessageKind:
		f.kind, f.message = messageField, m.shape(d.Message(), path)
		return f
	case protoreflect.StringKind:
		f.kind = textField
	case protoreflect.BytesKind:
		f.kind = bytesField
	case protoreflect.GroupKind:
		f.kind = oddField
	default:
		f.kind = numberField
	}
	if d.IsList() && f.kind == numberField {
		f.kind = oddField // has two forms on the wire
	}
	return f
}

// field returns what is known of a field; the zero field if nothing is.
func (s *shape) field(number protowire.Number) field {
	if int(number) < len(s.dense) {
		return s.dense[number]
	}
	return s.sparse[number]
}
