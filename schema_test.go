package privyseal

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	generator "github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"privyseal/authz/policy"
)

// TestSchemaIsUpToDate generates the schema from the types and their comments;
// -update writes it.
func TestSchemaIsUpToDate(t *testing.T) {
	want, err := json.MarshalIndent(generated(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile("schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		schema = want
	}
	if !bytes.Equal(Schema(), want) {
		t.Error("schema.json is not what the types say: run go generate")
	}
}

func TestEveryOptionIsDescribed(t *testing.T) {
	var s struct {
		Defs map[string]struct {
			Properties map[string]struct{ Description string }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	options := 0
	for name, def := range s.Defs {
		for option, p := range def.Properties {
			options++
			if p.Description == "" {
				t.Errorf("%s.%s has no comment", name, option)
			}
		}
	}
	if options < 50 {
		t.Errorf("found %d options", options)
	}
}

// TestSchemaAgreesWithLoad holds the schema against every configuration in
// testdata: it accepts what Load accepts, and says no to keys and kinds of
// values that Load says no to.
func TestSchemaAgreesWithLoad(t *testing.T) {
	compiled := compiledSchema(t)
	for _, file := range configurations(t) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d document
		if d.parse(source) != nil {
			continue
		}
		refused := compiled.Validate(instance(d.root))
		_, err = Load(LoadOptions{Path: file, Environ: environ()})
		switch {
		case err == nil && refused != nil:
			t.Errorf("%s: only the schema refuses it: %v", file, refused)
		case err != nil && refused == nil && structural(err):
			t.Errorf("%s: only Load refuses it: %v", file, err)
		}
	}
}

// instance is a document as the validator takes it.
func instance(n *node) any {
	switch n.kind {
	case mapping:
		m := map[string]any{}
		for _, f := range n.fields {
			m[f.name] = instance(f.node)
		}
		return m
	case sequence:
		list := []any{}
		for _, item := range n.items {
			list = append(list, instance(item))
		}
		return list
	case text:
		return n.raw
	case boolean:
		return n.raw == "true"
	case null:
		return nil
	}
	return json.Number(n.raw)
}

// structural reports whether an error is about something a schema can tell.
func structural(err error) bool {
	return slices.ContainsFunc(err.(Diagnostics), func(d Diagnostic) bool {
		return strings.HasPrefix(d.Message, "unknown key") || strings.HasPrefix(d.Message, "has no version") ||
			strings.HasPrefix(d.Message, "is ") && strings.Contains(d.Message, ", not a")
	})
}

func configurations(t *testing.T) []string {
	files, err := filepath.Glob("testdata/config/*/*.yaml")
	if err != nil || len(files) < 50 {
		t.Fatalf("found %d configurations, %v", len(files), err)
	}
	return files
}

func compiledSchema(t *testing.T) *validator.Schema {
	t.Helper()
	document, err := validator.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// generated is the schema of Config, with the forms that a file may use beside
// those of the types.
func generated(t *testing.T) *generator.Schema {
	t.Helper()
	comments := map[string]string{}
	for _, folder := range []string{"", "authz", "authz/policy", "authz/credential", "authz/login", "keys/vault", "keys/pkcs11"} {
		fieldComments(t, filepath.Join("privyseal", folder), filepath.Join(".", folder), comments)
	}
	r := generator.Reflector{
		Anonymous:                  true,
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		LookupComment: func(typ reflect.Type, field string) string {
			return comments[typ.PkgPath()+"."+typ.Name()+"."+field]
		},
		Mapper: func(typ reflect.Type) *generator.Schema {
			if typ == reflect.TypeFor[time.Duration]() {
				return &generator.Schema{Type: "string", Pattern: `^[-+]?([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$|\$\{`}
			}
			return nil
		},
	}
	s := r.Reflect(&Config{})
	s.Title = "privyseal configuration"
	orElse := func(typ reflect.Type, other *generator.Schema) {
		name := typ.Name()
		s.Definitions[name+"Options"] = s.Definitions[name]
		s.Definitions[name] = &generator.Schema{OneOf: []*generator.Schema{other, {Ref: "#/$defs/" + name + "Options"}}}
	}
	orElse(reflect.TypeFor[Listener](), &generator.Schema{Type: "string"})
	orElse(reflect.TypeFor[Encryption](), &generator.Schema{Const: "none"})
	orElse(reflect.TypeFor[policy.Clauses](), &generator.Schema{Ref: "#/$defs/Clause"})
	one := uint64(1)
	source := s.Definitions[reflect.TypeFor[IdentitySource]().Name()]
	source.MinProperties, source.MaxProperties = &one, &one
	return s
}

// fieldComments collects the comments of the fields of a package's structs. A
// field without one shares that of the line above it; the fields of a union have
// those of their types.
func fieldComments(t *testing.T, pkg, folder string, into map[string]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for pass := range 2 { // the comments of types first
		for _, file := range files {
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				decl, ok := d.(*ast.GenDecl)
				if !ok || decl.Tok != token.TYPE {
					continue
				}
				for _, spec := range decl.Specs {
					typ := spec.(*ast.TypeSpec)
					types[typ.Name.Name] = flat(decl.Doc.Text())
					if fields, ok := typ.Type.(*ast.StructType); ok && pass == 1 {
						structComments(fset, pkg+"."+typ.Name.Name+".", fields, types, into)
					}
				}
			}
		}
	}
}

func structComments(fset *token.FileSet, prefix string, fields *ast.StructType, types, into map[string]string) {
	last, line := "", 0
	for _, f := range fields.Fields.List {
		comment := flat(f.Doc.Text())
		if comment == "" && fset.Position(f.Pos()).Line == line+1 {
			comment = last
		}
		if star, ok := f.Type.(*ast.StarExpr); ok && comment == "" {
			if name, ok := star.X.(*ast.Ident); ok {
				comment = types[name.Name]
			}
		}
		last, line = comment, fset.Position(f.End()).Line
		for _, name := range f.Names {
			into[prefix+name.Name] = comment
		}
	}
}

func flat(comment string) string { return strings.Join(strings.Fields(comment), " ") }
