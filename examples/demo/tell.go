package main

import (
	_ "embed"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"text/template"
)

//go:embed tell.txt
var tellText string

// tell prints what to open and what to try.
func tell(out io.Writer, o *options, p place) error {
	return template.Must(template.New("tell").Parse(tellText)).Execute(out, map[string]any{
		"URL":       "http://whoami.localhost:" + strconv.Itoa(o.envoyPort),
		"SignIn":    signInPath,
		"IdP":       "http://" + loopback(o.idpPort),
		"Reports":   "http://" + loopback(o.reportsPort),
		"Admin":     "http://" + loopback(o.adminPort),
		"Privyseal": short(o.privyseal),
		"Dir":       short(p.dir),
	})
}

// short returns a path as it may be typed here.
func short(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if relative, err := filepath.Rel(here, path); err == nil && len(relative) < len(path) {
		return relative
	}
	return path
}
