package privyseal

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const environmentPrefix = "PRIVYSEAL_"

// EnvironmentVariable is one that replaces an option.
type EnvironmentVariable struct {
	Name   string // such as PRIVYSEAL_ASSERTION_TTL
	Option string // such as assertion.ttl

	kind kind // of node
}

// EnvironmentVariables returns every variable that replaces an option, in the
// order of the options. An empty variable is as good as none. Lists, mappings
// and what is in them are for the file, where ${NAME} brings in a variable.
func EnvironmentVariables() []EnvironmentVariable {
	list := []EnvironmentVariable{
		{Name: "SIGNING_KEY", Option: "signing_key", kind: text},
		{Name: "SIGNING_KEY_FILE", Option: "signing_key_file", kind: text},
	}
	return appendVariables(list, "", reflect.TypeFor[Config]())
}

func appendVariables(list []EnvironmentVariable, prefix string, t reflect.Type) []EnvironmentVariable {
	for i := range t.NumField() {
		f := t.Field(i)
		option := prefix + f.Tag.Get("yaml")
		v := EnvironmentVariable{environmentPrefix + strings.ToUpper(strings.ReplaceAll(option, ".", "_")), option, ""}
		switch {
		case option == prefix || option == "version" || strings.HasPrefix(option, "signing_key"):
			continue
		case f.Type == reflect.TypeFor[Listener]():
			v.Option, v.kind = option+".address", text
		case f.Type.Kind() == reflect.Struct:
			list = appendVariables(list, option+".", f.Type)
			continue
		case f.Type.Kind() == reflect.String, f.Type == reflect.TypeFor[time.Duration]():
			v.kind = text
		case f.Type.Kind() == reflect.Bool:
			v.kind = boolean
		case f.Type.Kind() == reflect.Int:
			v.kind = integer
		default:
			continue
		}
		list = append(list, v)
	}
	return list
}

// environment holds the variables that are set, by name.
type environment map[string]string

func newEnvironment(environ []string) environment {
	env := environment{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			env[name] = value
		}
	}
	return env
}

func (env environment) lookup(name string) (string, bool) {
	value, set := env[name]
	return value, set
}

var serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// isServiceLink reports whether Kubernetes set a variable, as it does in every
// container for each service of the namespace; a service's name may begin like
// our variables.
func (env environment) isServiceLink(name string) bool {
	return serviceLink.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(env[name], "://")
}

// overlay replaces options of a document by variables of the environment.
func (d *document) overlay(env environment) (wrong Diagnostics) {
	known := EnvironmentVariables()
	names := make([]string, len(known))
	for i, v := range known {
		names[i] = v.Name
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !strings.HasPrefix(name, environmentPrefix) || slices.Contains(names, name) || env.isServiceLink(name) {
			continue
		}
		p := Diagnostic{File: "environment variable " + name, Message: "is none that sets an option", Hint: "unset it, or set the option in the file"}
		if n := nearest(name, names); n != "" {
			p.Hint = "did you mean " + n + "?"
		}
		wrong = append(wrong, p)
	}
	if env["SIGNING_KEY"] != "" && env["SIGNING_KEY_FILE"] != "" {
		wrong = append(wrong, Diagnostic{File: "environment variable SIGNING_KEY_FILE", Message: "is set beside SIGNING_KEY", Hint: "unset one of them"})
	}
	if env["SIGNING_KEY"] != "" || env["SIGNING_KEY_FILE"] != "" {
		d.root.remove("signing_key")
		d.root.remove("signing_key_file")
	}
	for _, v := range known {
		if value := env[v.Name]; value != "" {
			d.override(v, value)
		}
	}
	return wrong
}

// override puts a variable's value where its option would be.
func (d *document) override(v EnvironmentVariable, value string) {
	n := &node{kind: v.kind, variable: v.Name, raw: "${" + v.Name + "}", value: value}
	_, err := strconv.Atoi(value)
	if v.kind == boolean && value != "true" && value != "false" || v.kind == integer && err != nil {
		n.kind = text // and refused as such
	}
	sections := strings.Split(v.Option, ".")
	option := sections[len(sections)-1]
	at := d.root
	for _, section := range sections[:len(sections)-1] {
		next := at.get(section)
		switch {
		case next == nil:
			next = &node{kind: mapping, variable: v.Name}
			at.set(section, next)
		case next.kind == text && option == "address": // a listener's short form
			*next = node{kind: mapping, at: next.at, variable: v.Name}
		case next.kind != mapping:
			return // refused as it is
		}
		at = next
	}
	at.set(option, n)
}
