package keys

import (
	"bytes"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// documentVersion is the format that this package reads and writes.
const documentVersion = 1

// MaxDocument bounds a document in a [Store], in bytes. A full one has a fifth of
// it.
const MaxDocument = 256 << 10

// envelope is what a store holds: a document and what proves that it is
// genuine, computed over the document's bytes as they are (RFC 2104).
type envelope struct {
	Document json.RawMessage `json:"document"`
	MAC      []byte          `json:"mac,omitempty"`
}

// written is a document with the parts that no printer shows.
type written struct {
	Document
	DataKey []byte       `json:"data_key,omitempty"`
	Keys    []writtenKey `json:"keys"`
}

type writtenKey struct {
	DocumentKey
	Private   []byte `json:"private,omitempty"`
	Reference []byte `json:"reference,omitempty"`
}

// ParseDocument reads what a store holds without verifying anything: neither
// that it is genuine nor that its private keys can be opened. For people who
// want to look.
func ParseDocument(text []byte) (Document, error) {
	_, d, err := decode(text)
	return d, err
}

func decode(text []byte) (envelope, Document, error) {
	var e envelope
	if len(text) > MaxDocument {
		return e, Document{}, fmt.Errorf("the document is larger than %d bytes", MaxDocument)
	}
	if err := strictJSON(text, &e); err != nil || e.Document == nil {
		return e, Document{}, errDamaged
	}
	var format struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(e.Document, &format) == nil && format.Version > documentVersion {
		return e, Document{}, fmt.Errorf("the document has version %d, and this program reads version %d: update it", format.Version, documentVersion)
	}
	var w written
	if err := strictJSON(e.Document, &w); err != nil {
		return e, Document{}, errDamaged
	}
	d := w.Document
	d.dataKey = w.DataKey
	for _, k := range w.Keys {
		k.DocumentKey.private, k.DocumentKey.reference = hidden(k.Private), hidden(k.Reference)
		d.Keys = append(d.Keys, k.DocumentKey)
	}
	return e, d, d.validate()
}

var errDamaged = errors.New("the document is damaged: it is not what this program writes")

// hidden puts bytes where nothing that prints by reflection finds them.
func hidden(b []byte) func() []byte {
	if len(b) == 0 {
		return nil
	}
	return func() []byte { return b }
}

// verify checks that a document was written by somebody with the data key, if
// it has one.
func (e envelope) verify(p *protection) error {
	if p != nil && !hmac.Equal(e.MAC, p.mac(e.Document)) {
		return errors.New("the document is damaged or was not written by this service: its authentication code is wrong")
	}
	return nil
}

// encode writes a document as a store holds it.
func (d Document) encode() ([]byte, error) {
	w := written{Document: d, DataKey: d.dataKey, Keys: []writtenKey{}}
	for _, k := range d.Keys {
		w.Keys = append(w.Keys, writtenKey{DocumentKey: k, Private: reveal(k.private), Reference: reveal(k.reference)})
	}
	body, err := json.Marshal(w)
	if err != nil {
		return nil, errors.New("the document cannot be written as JSON")
	}
	var mac []byte
	if d.sealing != nil {
		mac, _ = json.Marshal(d.sealing.mac(body))
		mac = slices.Concat([]byte(`,"mac":`), mac)
	}
	return slices.Concat([]byte(`{"document":`), body, mac, []byte("}\n")), nil
}

func reveal(f func() []byte) []byte {
	if f == nil {
		return nil
	}
	return f()
}

// strictJSON decodes one value with no member that is not known.
func strictJSON(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF { // More takes a closing brace for the end
		return errors.New("more than one value")
	}
	return nil
}
