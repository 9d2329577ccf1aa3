package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of what a source may say beside [MaxTokenBytes].
const (
	maxDepth    = 16
	maxElements = 8192
)

var (
	errNotObject = errors.New("is not one JSON object in UTF-8")
	errTooDeep   = fmt.Errorf("is nested deeper than %d", maxDepth)
	errTooMany   = fmt.Errorf("has more than %d elements", maxElements)
	errTooLong   = fmt.Errorf("has more than %d bytes of text", MaxTokenBytes)
)

// decodeObject reads one JSON object. Numbers stay as they are written. It
// refuses what parsers read differently: a member that occurs twice, at any
// depth, and bytes that are not UTF-8, which encoding/json would replace.
func decodeObject(data []byte) (object map[string]any, elements int, err error) {
	if !utf8.Valid(data) || !json.Valid(data) || bytes.TrimLeft(data, " \t\r\n")[0] != '{' {
		return nil, 0, errNotObject
	}
	r := jsonReader{decoder: json.NewDecoder(bytes.NewReader(data))}
	r.decoder.UseNumber()
	v, err := r.value(0)
	if err != nil {
		return nil, 0, err
	}
	return v.(map[string]any), r.elements, nil
}

type jsonReader struct {
	decoder  *json.Decoder
	elements int
}

func (r *jsonReader) value(depth int) (any, error) {
	if r.elements++; r.elements > maxElements {
		return nil, errTooMany
	}
	token, err := r.decoder.Token()
	if err != nil {
		return nil, errNotObject
	}
	delim, nested := token.(json.Delim)
	switch {
	case !nested:
		return token, nil
	case depth == maxDepth:
		return nil, errTooDeep
	case delim == '[':
		return r.array(depth + 1)
	}
	return r.object(depth + 1)
}

func (r *jsonReader) array(depth int) (any, error) {
	list := []any{}
	for r.decoder.More() {
		v, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := r.decoder.Token()
	return list, err
}

func (r *jsonReader) object(depth int) (any, error) {
	object := map[string]any{}
	for r.decoder.More() {
		token, err := r.decoder.Token()
		if err != nil {
			return nil, errNotObject
		}
		name := token.(string)
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("has member %s twice", quote(name))
		}
		if object[name], err = r.value(depth); err != nil {
			return nil, err
		}
	}
	_, err := r.decoder.Token()
	return object, err
}

// copier copies decoded JSON that somebody else owns, such as Envoy's metadata,
// into memory of our own and into the form that decodeObject gives.
type copier struct{ elements, bytes int }

func (c *copier) value(v any, depth int) (any, error) {
	if c.elements++; c.elements > maxElements {
		return nil, errTooMany
	}
	switch v := v.(type) {
	case nil, bool:
		return v, nil
	case string:
		return c.text(v)
	case float64:
		return number(v)
	case json.Number:
		return json.Number(strings.Clone(string(v))), nil
	}
	if depth == maxDepth {
		return nil, errTooDeep
	}
	switch v := v.(type) {
	case []any:
		list := make([]any, 0, min(len(v), maxElements))
		for _, e := range v {
			e, err := c.value(e, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
		return list, nil
	case map[string]any:
		return c.object(v, depth+1)
	}
	return nil, fmt.Errorf("holds a %T", v)
}

func (c *copier) object(v map[string]any, depth int) (map[string]any, error) {
	object := make(map[string]any, min(len(v), maxElements))
	for name, e := range v {
		name, err := c.text(name)
		if err == nil {
			e, err = c.value(e, depth)
		}
		if err != nil {
			return nil, err
		}
		object[name] = e
	}
	return object, nil
}

func (c *copier) text(s string) (string, error) {
	if c.bytes += len(s); c.bytes > MaxTokenBytes {
		return "", errTooLong
	}
	return strings.Clone(strings.ToValidUTF8(s, string(utf8.RuneError))), nil
}

// number writes a float64 as JSON: as an integer where it is one exactly.
func number(f float64) (json.Number, error) {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return "", errors.New("holds a number that JSON cannot write")
	case f == math.Trunc(f) && math.Abs(f) < 1<<53:
		return json.Number(strconv.FormatInt(int64(f), 10)), nil
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64)), nil
}

// quote shows text of others to operators: escaped and short.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
