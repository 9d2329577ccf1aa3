//go:build compose

package compose

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"privyseal/examples/envoy"
)

// buildImages builds our images as the Dockerfile does, except that the first
// stage, which needs a network and the image of Go, has run here: the same
// image.sh, and the same other stages.
func buildImages(t *testing.T, d *daemon) {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command(filepath.Join("cmd", "privyseal", "image.sh"), filepath.Join(dir, "image"), "v0.0.0-compose")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, output)
	}
	_, stages, found := strings.Cut(text(t, "cmd/privyseal/Dockerfile"), "\nFROM scratch AS examples\n")
	if !found {
		t.Fatal("the Dockerfile has no such stage")
	}
	dockerfile := "FROM scratch AS build\nCOPY image /image\nFROM scratch AS examples\n" + stages
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		t.Fatal(err)
	}
	for target, tag := range map[string]string{"privyseal": "privyseal:compose", "examples": "privyseal-examples:compose"} {
		d.docker(t, "build", "--quiet", "--target", target, "--tag", tag, dir)
	}
}

// standInEnvoy makes an image in place of envoyproxy/envoy, which has to be
// pulled: Envoy, the bash of the health check, and the libraries of both.
func standInEnvoy(t *testing.T, d *daemon) {
	t.Helper()
	binary, err := envoy.Find(t.Context(), filepath.Join(root, ".cache"))
	if err != nil {
		t.Fatal(err)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for from, to := range map[string]string{binary: "envoy", bash: "bash"} {
		copyFile(t, from, filepath.Join(dir, "usr", "local", "bin", to))
		libraries, err := exec.Command("ldd", from).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, library := range regexp.MustCompile(`/\S+`).FindAllString(string(libraries), -1) {
			copyFile(t, library, filepath.Join(dir, library))
		}
	}
	archive := filepath.Join(t.TempDir(), "envoy.tar")
	if output, err := exec.Command("tar", "-C", dir, "-cf", archive, ".").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, output)
	}
	d.docker(t, "import", "--change", "ENV PATH=/usr/local/bin", archive, "envoyproxy/envoy:v"+envoy.Version)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	source, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(target, source)
	if closed := target.Close(); err == nil {
		err = closed
	}
	if err != nil {
		t.Fatal(err)
	}
}
