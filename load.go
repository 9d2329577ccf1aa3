package privyseal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"privyseal/authz"
)

// LoadOptions say where a configuration comes from. The zero value is the
// defaults and the environment of the process.
type LoadOptions struct {
	// Path of the configuration file; "" is none.
	Path string
	// Source is read instead of the file, if it is not nil; Path then only
	// names it.
	Source []byte
	// Folder is what paths in the configuration are relative to. Default: that
	// of Path.
	Folder string
	// Environ is the environment as [os.Environ] returns it; nil is that of the
	// process.
	Environ []string
	// ReadFile reads the configuration file and those that ${file:…} names.
	// Default: regular files of at most 1 MiB.
	ReadFile func(name string) ([]byte, error)
}

// Load reads, checks and completes a configuration: defaults, over them the
// file, over that the environment. All mistakes are reported at once, as
// [Diagnostics]; other errors say that the file cannot be read, and wrap the
// reason. Files that options name are not read here.
func Load(o LoadOptions) (*Config, error) {
	return loadChecked(o, func(*Config) error { return nil })
}

// loadChecked is Load with a further check, of what the parts make of their
// options. It is asked also when mistakes are known, so that all are reported.
func loadChecked(o LoadOptions, check func(*Config) error) (*Config, error) {
	if o.ReadFile == nil {
		o.ReadFile = readRegular
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.Folder == "" && o.Path != "" {
		o.Folder = filepath.Dir(o.Path)
	}
	d := document{file: o.Path, root: &node{kind: mapping}}
	if o.Source == nil && o.Path != "" {
		source, err := o.ReadFile(o.Path)
		if err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
		o.Source = append([]byte{}, source...) // not nil
		d.read = append(d.read, o.Path)
	}
	var wrong Diagnostics
	if o.Source != nil {
		wrong = d.parse(o.Source)
	}
	if d.root == nil {
		return nil, d.annotated(wrong)
	}
	return d.load(o, check, wrong)
}

// load completes a configuration from a document of which it is known what was
// wrong so far.
func (d *document) load(o LoadOptions, check func(*Config) error, wrong Diagnostics) (*Config, error) {
	env := newEnvironment(o.Environ)
	e := expander{document: d, lookup: env.lookup, file: func(name string) ([]byte, error) {
		name = resolved(o.Folder, name)
		d.read = append(d.read, name)
		return o.ReadFile(name)
	}}
	e.tree("", d.root)
	wrong = slices.Concat(wrong, e.wrong, d.requirements(o), d.overlay(env))

	c := defaults()
	dec := decoder{document: d}
	dec.fields("", d.root, reflect.ValueOf(c).Elem())
	wrong = append(wrong, dec.wrong...)

	for _, name := range c.fileOptions() {
		*name = resolved(o.Folder, *name)
	}
	if c.Keys != nil {
		c.Keys.resolve(o.Folder)
	}
	if name := env["SIGNING_KEY_FILE"]; name != "" {
		c.SigningKeyFile = name // relative to the working directory
	}
	c.origin = *d
	known := len(wrong)
	for _, p := range d.problems("", errors.Join(c.validate(), check(c))) {
		if !slices.ContainsFunc(wrong[:known], func(k Diagnostic) bool { return sameOption(k.Path, p.Path) }) {
			wrong = append(wrong, p)
		}
	}
	if wrong != nil {
		return nil, d.annotated(wrong)
	}
	return c, nil
}

// requirements returns what is wrong with the file that can no longer be seen
// once the environment has replaced options.
func (d *document) requirements(o LoadOptions) (wrong Diagnostics) {
	if o.Source == nil {
		return nil
	}
	if d.root.get("version") == nil {
		wrong = append(wrong, d.diagnostic(position{1, 1}, "has no version", "start with: version: 1"))
	}
	key, file := d.root.get("signing_key"), d.root.get("signing_key_file")
	if key != nil && file != nil && key.value != "" && file.value != "" {
		both := errors.New("cannot be given beside signing_key; keep one of them")
		wrong = append(wrong, d.problems("", &authz.OptionError{Path: "signing_key_file", Err: both})...)
	}
	return wrong
}

// sameOption reports whether one path is the other or leads on from it: a
// mistake in an option makes others up.
func sameOption(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return a != "" && strings.HasPrefix(b, a) && (len(a) == len(b) || b[len(a)] == '.' || b[len(a)] == '[')
}

// readRegular reads a file that has an end.
func readRegular(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not keep us waiting
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err == nil && len(content) > maxConfigBytes {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxConfigBytes)
	}
	return content, err
}
