package privyseal

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Print writes the effective configuration as YAML that [Load] reads again:
// references as they were written, secrets masked. With origins it says at each
// option whether it comes from the defaults, from which line of the file, or
// from which variable of the environment.
func (c *Config) Print(w io.Writer, origins bool) error {
	p := printer{origins: origins}
	p.options(reflect.ValueOf(c).Elem(), c.origin.root, 0, true)
	_, err := w.Write(p.out)
	return err
}

// String is what [Config.Print] writes, so that a configuration that ends up in
// a log shows no secret.
func (c *Config) String() string {
	var b strings.Builder
	c.Print(&b, false) // a Builder takes everything
	return b.String()
}

type printer struct {
	out     []byte
	origins bool
}

// options prints a struct. Options that are not set are left out, except where
// all says that there is one place for each and its default is of interest.
func (p *printer) options(v reflect.Value, n *node, indent int, all bool) {
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		name := tag.Get("yaml")
		value, written := v.Field(i), n.get(name)
		if v.Type().Field(i).Anonymous {
			p.options(value, n, indent, all)
			continue
		}
		if name == "" || value.IsZero() && written == nil && (!all || !isScalar(value)) || tag.Get("secret") != "" && value.IsZero() {
			continue
		}
		p.key(name, indent)
		if tag.Get("secret") != "" {
			p.secret(value, written, indent)
			continue
		}
		p.value(value, written, indent, all)
	}
}

// secret prints a secret, or each of a list, as a mask or the reference that it
// is kept behind.
func (p *printer) secret(v reflect.Value, n *node, indent int) {
	if v.Kind() != reflect.Slice {
		p.scalar(secretText(n), n)
		return
	}
	p.out = append(p.out, '\n')
	for i := range v.Len() {
		var item *node
		if n != nil && i < len(n.items) {
			item = n.items[i]
		}
		p.out = append(p.out, strings.Repeat(" ", indent+2)+"-"...)
		p.scalar(secretText(item), item)
	}
}

func (p *printer) key(name string, indent int) {
	p.out = append(p.out, strings.Repeat(" ", indent)+quoted(name)+":"...)
}

func (p *printer) value(v reflect.Value, n *node, indent int, all bool) {
	switch {
	case v.Kind() == reflect.Pointer:
		p.value(v.Elem(), n, indent, false)
	case v.Type() == reflect.TypeFor[Listener]() && v.FieldByName("TLS").IsNil():
		address := n.get("address")
		if address == nil {
			address = n
		}
		p.value(v.FieldByName("Address"), address, indent, all)
	case v.Type() == reflect.TypeFor[Encryption]() && v.FieldByName("Mode").String() != "":
		p.value(v.FieldByName("Mode"), n, indent, all)
	case v.Kind() == reflect.Struct:
		p.out = append(p.out, '\n')
		p.options(v, n, indent+2, all)
	case v.Kind() == reflect.Slice && v.Len() > 0:
		p.list(v, n, indent)
	case v.Kind() == reflect.Map && v.Len() > 0:
		p.out = append(p.out, '\n')
		for _, key := range slices.Sorted(maps.Keys(v.Interface().(map[string]string))) {
			p.key(key, indent+2)
			p.value(v.MapIndex(reflect.ValueOf(key)), n.get(key), indent+2, false)
		}
	default:
		p.scalar(scalarText(v, n), n)
	}
}

// list prints each item after a dash, which stands in the item's indentation.
func (p *printer) list(v reflect.Value, n *node, indent int) {
	p.out = append(p.out, '\n')
	for i := range v.Len() {
		var item *node
		switch {
		case n != nil && n.kind == sequence:
			item = n.items[i]
		case n != nil: // one mapping stands for a list of one
			item = n
		}
		start := len(p.out)
		if v.Index(i).Kind() == reflect.Struct {
			p.options(v.Index(i), item, indent+4, false)
			if len(p.out) > start {
				p.out[start+indent+2] = '-'
				continue
			}
		}
		p.out = append(p.out, strings.Repeat(" ", indent+2)+"-"...)
		p.value(v.Index(i), item, indent+2, false)
	}
}

func (p *printer) scalar(text string, n *node) {
	p.out = append(p.out, ' ')
	p.out = append(p.out, text...)
	if p.origins {
		switch {
		case n == nil:
			p.out = append(p.out, " # default"...)
		case n.variable != "":
			p.out = append(p.out, " # environment variable "+n.variable...)
		default:
			p.out = fmt.Appendf(p.out, " # line %d", n.at.line)
		}
	}
	p.out = append(p.out, '\n')
}

func isScalar(v reflect.Value) bool {
	return v.Kind() != reflect.Pointer && v.Kind() != reflect.Slice && v.Kind() != reflect.Map
}

// scalarText is a value as one writes it. What was in the file is as it was
// there, with its references; any other text has its dollars doubled.
func scalarText(v reflect.Value, n *node) string {
	if n != nil && n.variable == "" && n.kind == text {
		return quoted(maskUserinfo(n.raw))
	}
	switch value := v.Interface().(type) {
	case time.Duration:
		return durationText(value)
	case string:
		return quoted(strings.ReplaceAll(maskUserinfo(value), "$", "$$"))
	}
	switch v.Kind() {
	case reflect.Slice:
		return "[]"
	case reflect.Map, reflect.Struct:
		return "{}"
	}
	return fmt.Sprint(v.Interface())
}

// durationText leaves out the zero units: 15m, not 15m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var (
	plainText     = regexp.MustCompile(`^([A-Za-z_/$][A-Za-z0-9_/.${}*@+-]*(:[A-Za-z0-9_/.${}*@+-]+)*|([0-9]+(ms|s|m|h))+|[0-9]+\.[0-9]+\.[0-9.:]+)$`)
	wholeVariable = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*|file:[^}]*)\}$`)
)

// quoted is a text that YAML reads as that text.
func quoted(s string) string {
	if plainText.MatchString(s) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"}, strings.ToLower(s)) {
		return s
	}
	return jsonText(s)
}

// secretText is a mask, or the reference that the secret is kept behind.
func secretText(n *node) string {
	if n != nil && n.variable == "" && wholeVariable.MatchString(n.raw) {
		return quoted(n.raw)
	}
	return strconv.Quote(masked)
}

// jsonText is a text in double quotes, escaped as in JSON, which YAML shares.
func jsonText(s string) string {
	b, _ := json.Marshal(s) // text always marshals
	return string(b)
}
