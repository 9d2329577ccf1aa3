package privyseal

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"privyseal/authz/policy"
)

// decoder fills the configuration from a document. It goes on after a mistake,
// so that all are found at once, and leaves alone what is wrong.
type decoder struct {
	*document
	wrong Diagnostics
}

func (d *decoder) refuse(path string, n *node, message, hint string) {
	if len(d.wrong) >= maxDiagnostics {
		return
	}
	p := d.problem(path, message)
	if n.variable == "" && n.at.line != 0 {
		p.Line, p.Column = n.at.line, n.at.column
	}
	p.Hint = hint
	d.wrong = append(d.wrong, p)
}

// value decodes one value by the type that is wanted.
func (d *decoder) value(path string, n *node, into reflect.Value) {
	switch n.kind {
	case broken:
		return
	case null:
		d.refuse(path, n, "has no value", `remove the key, or write the value: "" is an empty text, [] an empty list`)
		return
	}
	switch into.Interface().(type) {
	case time.Duration:
		d.duration(path, n, into)
		return
	case Listener:
		if n.kind == text { // the address alone
			d.value(path, n, into.FieldByName("Address"))
			return
		}
	case Encryption:
		if n.kind == text { // none
			d.value(path, n, into.FieldByName("Mode"))
			return
		}
	case policy.Clauses:
		if n.kind == mapping { // one clause stands for a list of one
			n = &node{kind: sequence, at: n.at, items: []*node{n}}
		}
	case policy.Callers:
		if n.kind == text { // one caller stands for a list of one
			n = &node{kind: sequence, at: n.at, items: []*node{n}}
		}
	case policy.CaseRequest:
		if n.kind == text { // method and URL alone
			d.value(path, n, into.FieldByName("Request"))
			return
		}
	case IdentitySource:
		if n.kind == mapping && len(n.fields) != 1 {
			d.refuse(path, n, "has "+strconv.Itoa(len(n.fields))+" keys, not one: the kind of the source", "begin each source with a dash of its own: - jwt: {…}")
			return
		}
	}
	d.kind(path, n, into)
}

func (d *decoder) kind(path string, n *node, into reflect.Value) {
	switch into.Kind() {
	case reflect.Pointer:
		target := reflect.New(into.Type().Elem())
		d.value(path, n, target.Elem())
		into.Set(target)
	case reflect.Struct:
		if d.wants(path, n, mapping) {
			d.fields(path, n, into)
		}
	case reflect.Slice:
		if d.wants(path, n, sequence) {
			list := reflect.MakeSlice(into.Type(), len(n.items), len(n.items)) // empty is not nil
			for i, item := range n.items {
				d.value(path+"["+strconv.Itoa(i)+"]", item, list.Index(i))
			}
			into.Set(list)
		}
	case reflect.Map:
		if d.wants(path, n, mapping) {
			m := reflect.MakeMap(into.Type())
			for _, f := range n.fields {
				v := reflect.New(into.Type().Elem()).Elem()
				d.value(path+"."+f.name, f.node, v)
				m.SetMapIndex(reflect.ValueOf(f.name), v)
			}
			into.Set(m)
		}
	case reflect.String:
		if d.wants(path, n, text) {
			into.SetString(n.value)
		}
	case reflect.Bool:
		if d.wants(path, n, boolean) {
			into.SetBool(n.value == "true")
		}
	case reflect.Interface:
		if v := d.free(path, n); v != nil {
			into.Set(reflect.ValueOf(v))
		}
	default:
		d.integer(path, n, into)
	}
}

// free decodes a value of any kind as JSON decodes it, numbers as json.Number;
// nil if it is mistaken.
func (d *decoder) free(path string, n *node) any {
	switch n.kind {
	case text:
		return n.value
	case boolean:
		return n.value == "true"
	case mapping:
		m := map[string]any{}
		d.value(path, n, reflect.ValueOf(&m).Elem())
		return m
	case sequence:
		list := []any{}
		d.value(path, n, reflect.ValueOf(&list).Elem())
		return list
	}
	if !json.Valid([]byte(n.value)) {
		d.refuse(path, n, "is not a number as JSON writes it", "write it like 3, -1 or 0.5, or quote it")
		return nil
	}
	return json.Number(n.value)
}

// wants reports whether the value is of the kind that is wanted.
func (d *decoder) wants(path string, n *node, k kind) bool {
	if n.kind == k {
		return true
	}
	hint := ""
	switch {
	case k == text && (n.kind == boolean || n.kind == integer || n.kind == number):
		hint = "quote it: " + strconv.Quote(n.raw)
		if secretKey.MatchString(path + ":") {
			hint = "put it in quotes"
		}
	case k == sequence && n.kind != mapping:
		hint = "put it in brackets: [" + strings.Trim(excerpt(n.raw), `"`) + "]"
	case k == sequence:
		hint = "begin each entry with a dash"
	case k == boolean && (n.raw == "true" || n.raw == "false"):
		hint = "remove the quotes"
	case k == boolean && n.kind == text && slices.Contains([]string{"yes", "no", "on", "off", "y", "n"}, strings.ToLower(n.raw)):
		hint = "write true or false"
	case n.kind == text && n.variable == "" && strings.Contains(n.raw, "${"):
		hint = "a reference stands for text only"
	}
	d.refuse(path, n, "is "+string(n.kind)+", not "+string(k), hint)
	return false
}

// fields decodes a mapping into a struct, whose tags are all the keys there are.
func (d *decoder) fields(path string, n *node, into reflect.Value) {
	options := optionsOf(into.Type())
	for _, f := range n.fields {
		index, known := options[f.name]
		if !known {
			d.unknown(path, f, slices.Sorted(maps.Keys(options)))
			continue
		}
		d.value(strings.TrimPrefix(path+"."+f.name, "."), f.node, into.FieldByIndex(index))
	}
}

func (d *decoder) unknown(path string, f field, known []string) {
	if len(d.wrong) >= maxDiagnostics {
		return
	}
	hint := "the keys here are " + strings.Join(known, ", ")
	if name := nearest(f.name, known); name != "" {
		hint = "did you mean " + name + "?"
	}
	p := d.diagnostic(f.at, "unknown key "+excerpt(f.name), hint)
	p.Path, p.shown = path, f.at.column+len([]rune(f.name)) // the value may be a secret
	d.wrong = append(d.wrong, p)
}

// optionsOf returns the fields of an options struct, and of those embedded in
// it, by their names in the file.
func optionsOf(t reflect.Type) map[string][]int {
	options := make(map[string][]int, t.NumField())
	for _, field := range reflect.VisibleFields(t) {
		if name := field.Tag.Get("yaml"); name != "" {
			options[name] = field.Index
		}
	}
	return options
}

func (d *decoder) duration(path string, n *node, into reflect.Value) {
	if n.kind == integer || n.kind == number {
		d.refuse(path, n, "is a number, not a duration", `write it with its unit, such as "90s" or "5m"`)
		return
	}
	if !d.wants(path, n, text) {
		return
	}
	v, err := time.ParseDuration(n.value)
	if err != nil {
		d.refuse(path, n, excerpt(n.raw)+" is not a duration", `write a number and a unit (h, m, s or ms), such as "90s" or "1h30m"`)
		return
	}
	into.SetInt(int64(v))
}

func (d *decoder) integer(path string, n *node, into reflect.Value) {
	if !d.wants(path, n, integer) {
		return
	}
	v, err := strconv.Atoi(n.value)
	if err != nil {
		d.refuse(path, n, excerpt(n.raw)+" is not a whole number in decimal notation that fits 64 bits", "")
		return
	}
	into.SetInt(int64(v))
}
