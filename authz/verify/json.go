package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

const maxDepth = 32

// decodeObject decodes exactly one JSON object. Duplicate members, at any
// depth, are refused: parsers disagree about which one counts (RFC 8725 section
// 2.4). So is text that is not UTF-8, which encoding/json would repair. Numbers
// are json.Number.
//
// Member names are compared exactly, which encoding/json does not do when it
// decodes into structs: there, "KID" is kid.
func decodeObject(b []byte) (map[string]any, error) {
	if !utf8.Valid(b) || !json.Valid(b) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	return object, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deep")
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return decodeMembers(d, depth+1)
	case json.Delim('['):
		return decodeElements(d, depth+1)
	}
	return token, nil
}

func decodeMembers(d *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := token.(string) // the syntax is known to be valid
		if _, twice := object[name]; twice {
			return nil, errors.New("duplicate member")
		}
		if object[name], err = decodeValue(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.Token() // }
	return object, err
}

func decodeElements(d *json.Decoder, depth int) (any, error) {
	list := []any{}
	for d.More() {
		v, err := decodeValue(d, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.Token() // ]
	return list, err
}
