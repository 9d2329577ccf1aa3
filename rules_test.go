package privyseal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMistakesInRules compares what is said about each file, whose rules cannot be
// followed, with the .golden beside it; -update writes them.
func TestMistakesInRules(t *testing.T) {
	files, _ := filepath.Glob("testdata/config/rules/*.yaml")
	if len(files) < 60 {
		t.Fatalf("found %d configurations", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			err := Validate(LoadOptions{Path: file, Environ: environ()})
			if err == nil {
				t.Fatal("Validate accepts it")
			}
			got := strings.ReplaceAll(err.Error(), "testdata/config/rules/", "") + "\n"
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}
