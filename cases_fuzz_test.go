package privyseal

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzLoadCases: whatever is written, cases run or their mistakes are told.
func FuzzLoadCases(f *testing.F) {
	files, err := filepath.Glob("examples/policies/*_test.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	config, err := Load(LoadOptions{Path: "examples/policies/orders.yaml", Environ: []string{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		file, err := LoadCases(LoadOptions{Path: "cases.yaml", Source: append([]byte{}, source...)})
		if err != nil {
			return
		}
		if _, err := file.Run(t.Context(), config.Rehearse, nil); err != nil && file.Problems(err).Error() == "" {
			t.Error("a mistake is told without words")
		}
	})
}
