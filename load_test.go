package privyseal

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A canonical form of a secret is the secret, too.
func TestReferencesStayUnexpandedInLowerCase(t *testing.T) {
	for _, source := range []string{
		"version: 1\nassertion: {header: '${SECRET}'}\n",
		"version: 1\nidentity: [{jwt: {name: corp, issuer: https://idp.example, audiences: [a], header: '${SECRET}'}}]\n",
		"version: 1\nrules: [{name: a, match: {hosts: ['${SECRET}:1']}, public: true}]\n",
	} {
		err := Validate(LoadOptions{Source: []byte(source), Environ: []string{"SECRET=HunterTwoSecret"}})
		if err == nil || strings.Contains(strings.ToLower(err.Error()), "huntertwosecret") {
			t.Errorf("%v", err)
		}
	}
}

var update = flag.Bool("update", false, "write what tests compare with")

// environ is what the configurations in testdata refer to.
func environ() []string {
	return []string{"OLD_COOKIE_SECRET=0123456789abcdef0123456789abcdef", "COOKIE_SECRET=fedcba9876543210fedcba9876543210", "RULE=ping", "HOST=ping.example", "EMPTY=", "SECRET=hunter2-hunter2"}
}

func TestGoodConfigurations(t *testing.T) {
	files, _ := filepath.Glob("testdata/config/good/*.yaml")
	if len(files) < 5 {
		t.Fatalf("found %d configurations", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if _, err := Load(LoadOptions{Path: file, Environ: environ()}); err != nil {
				t.Errorf("Load:\n%v", err)
			}
		})
	}
}

// TestBadConfigurations compares what is said about each malformed file with the
// .golden beside it; -update writes them.
func TestBadConfigurations(t *testing.T) {
	files, _ := filepath.Glob("testdata/config/bad/*.yaml")
	if len(files) < 45 {
		t.Fatalf("found %d configurations", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := Load(LoadOptions{Path: file, Environ: environ()})
			if err == nil {
				err = Validate(LoadOptions{Path: file, Environ: environ()})
			}
			if err == nil {
				t.Fatal("it is accepted")
			}
			got := strings.ReplaceAll(err.Error(), "testdata/config/bad/", "") + "\n"
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

func TestOnlyRegularFilesOfBoundedSizeAreRead(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, maxConfigBytes+1); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{large: "larger than", t.TempDir(): "not a regular file", "/dev/zero": "not a regular file"} {
		if _, err := Load(LoadOptions{Path: name, Environ: []string{}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
