package privyseal

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"privyseal/authz"
	"privyseal/authz/policy"
)

// Rehearse makes a rehearsal of the configuration's rules: it decides as a
// [Service] does, for identities that are given. Keys, certificates and issuers
// are neither needed nor read. Mistakes are [Diagnostics]; now is the clock, nil
// the machine's.
func (c *Config) Rehearse(now func() time.Time) (*policy.Rehearsal, error) {
	issuer, err := authz.ParseIssuer(c.Issuer)
	if err != nil {
		return nil, c.Problems(option("issuer", err))
	}
	h, err := policy.Rehearse(c.Rules, rulesEnv(c, issuer, now), c.Assertion)
	if err != nil {
		return nil, c.Problems(err)
	}
	return h, nil
}

// rulesEnv is what rules are compiled in, but for authenticators.
func rulesEnv(c *Config, issuer authz.Issuer, now func() time.Time) policy.Env {
	return policy.Env{
		Sources: describe(c.Identity), Issuer: issuer,
		TTL: c.Assertion.TTL, Reuse: c.Assertion.Reuse, Now: now,
	}
}

// CaseFile is a file of tests of rules, see [policy.Cases].
type CaseFile struct {
	policy.Cases
	origin document
}

// LoadCases reads a file of tests. Every mistake that shows without the rules is
// reported at once, as [Diagnostics]. Of the options, Path, Source, Folder and
// ReadFile count; there are no references in such files.
func LoadCases(o LoadOptions) (*CaseFile, error) {
	if o.ReadFile == nil {
		o.ReadFile = readRegular
	}
	d := document{file: o.Path}
	if o.Source == nil {
		source, err := o.ReadFile(o.Path)
		if err != nil {
			return nil, fmt.Errorf("reading the cases: %w", err)
		}
		o.Source = source
	}
	wrong := d.parse(o.Source)
	if d.root == nil {
		return nil, d.annotated(wrong)
	}
	file := &CaseFile{}
	dec := decoder{document: &d}
	dec.fields("", d.root, reflect.ValueOf(&file.Cases).Elem())
	if wrong = slices.Concat(wrong, dec.wrong); len(wrong) > 0 {
		return nil, d.annotated(wrong)
	}
	if o.Folder == "" {
		o.Folder = filepath.Dir(o.Path)
	}
	file.Config = resolved(o.Folder, file.Config)
	file.origin = d
	return file, nil
}

// Problems places mistakes in the cases, as [Config.Problems] does. Those in the
// rules are placed already.
func (f *CaseFile) Problems(err error) error {
	if list := Diagnostics(nil); err == nil || errors.As(err, &list) {
		return err
	}
	return f.origin.annotated(f.origin.problems("", err))
}
