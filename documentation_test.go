package privyseal

import (
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are the pages that people read.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "examples/*.md"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			pages[name] = string(text)
		}
	}
	if len(pages) < 8 {
		t.Fatalf("only %d pages: the test looks at the wrong place", len(pages))
	}
	return pages
}

var fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```")

// TestDocumentedBlocks: configurations load, excerpts of Envoy's are excerpts,
// Go is Go.
func TestDocumentedBlocks(t *testing.T) {
	shipped, err := os.ReadFile("examples/envoy/envoy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for page, text := range documents(t) {
		for _, block := range fence.FindAllStringSubmatch(text, -1) {
			language, body := block[1], block[2]
			seen[language]++
			switch {
			case language == "yaml" && strings.HasPrefix(body, "version: 1"):
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, "keys.pem"), []byte(newKeys(t, 1)), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := Validate(LoadOptions{Source: []byte(body), Folder: dir, Environ: []string{}}); err != nil {
					t.Errorf("%s: %v\n%s", page, err, body)
				}
			case language == "yaml" && !strings.Contains(string(shipped), body):
				t.Errorf("%s: neither a configuration nor an excerpt of envoy.yaml:\n%s", page, body)
			case language == "go":
				if _, err := parser.ParseFile(token.NewFileSet(), page, body, parser.AllErrors); err != nil {
					t.Errorf("%s: %v\n%s", page, err, body)
				}
				compiles(t, page, body)
			}
		}
	}
	if seen["yaml"] == 0 || seen["go"] == 0 {
		t.Errorf("blocks: %v", seen)
	}
}

// compiles builds a program of the documentation inside this module.
func compiles(t *testing.T, page, body string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("go", "build", "-o", os.DevNull, file).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", page, err, output)
	}
}

// TestDocumentedLinks: every relative link leads somewhere.
func TestDocumentedLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)]*)?\)`)
	for page, text := range documents(t) {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), match[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

// TestDocumentedNames: tests, reasons and metrics that are named exist, and
// every reason and metric is named.
func TestDocumentedNames(t *testing.T) {
	var tests, sources strings.Builder
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil || strings.HasPrefix(path, ".cache") || strings.HasPrefix(path, ".git") || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.HasSuffix(path, "_test.go") {
			tests.Write(text)
		} else {
			sources.Write(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pages := documents(t)
	for page, text := range pages {
		for _, name := range regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+`).FindAllString(text, -1) {
			if !strings.Contains(tests.String(), "func "+name+"(") {
				t.Errorf("%s: there is no %s", page, name)
			}
		}
		prose := fence.ReplaceAllString(text, "")
		for _, name := range regexp.MustCompile(`\bprivyseal_[a-z_]+`).FindAllString(prose, -1) {
			if !strings.Contains(sources.String(), `"`+name+`"`) {
				t.Errorf("%s: there is no metric %s", page, name)
			}
		}
	}
	operating := pages["docs/operating.md"]
	for _, pattern := range []string{`"(privyseal_[a-z_]+)"`, `Reason = "([a-z_]+)"`} {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(sources.String(), -1) {
			if name := match[1]; !strings.Contains(operating, "`"+name+"`") && !slices.Contains([]string{"allowed", "public", "answered"}, name) {
				t.Errorf("docs/operating.md does not explain %s", name)
			}
		}
	}
}
