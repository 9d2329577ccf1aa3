package main

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"

	"privyseal/examples/idp"
)

// signInPath is public in examples/privyseal/privyseal.yaml, and the cookie is
// the one named there.
const (
	signInPath   = "/demo/signin"
	signInCookie = "demo_token"
)

// withSignIn adds a page to an application where a person at a browser chooses
// who to be. The access token goes into a cookie, where privyseal finds it as it
// finds the one of curl in a header.
func withSignIn(app http.Handler, issuer string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", app)
	mux.HandleFunc("GET "+signInPath, showPersonas)
	mux.HandleFunc("POST "+signInPath, func(w http.ResponseWriter, r *http.Request) {
		token, err := tokenFor(issuer, r.PostFormValue("user"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		http.SetCookie(w, &http.Cookie{
			Name: signInCookie, Value: token, Path: "/", MaxAge: 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return mux
}

// tokenFor gets an access token from the identity provider.
func tokenFor(issuer, user string) (string, error) {
	resp, err := http.Post(issuer+"/token?user="+url.QueryEscape(user), "", nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the identity provider answered %s", resp.Status)
	}
	return strings.TrimSpace(string(text)), err
}

func showPersonas(w http.ResponseWriter, _ *http.Request) {
	var page bytes.Buffer
	if err := template.Must(template.New("").Parse(personasHTML)).Execute(&page, idp.Personas()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page.Bytes())
}

const personasHTML = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Who are you?</title>
<style>
body { max-width: 26rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif }
button { display: block; width: 100%; margin: .7rem 0; padding: .7rem 1rem; font: inherit; text-align: left; border: 1px solid GrayText; border-radius: .5rem; background: Canvas; color: CanvasText; cursor: pointer }
small { display: block; color: GrayText }
</style>
<h1>Who are you?</h1>
<form method="post">
{{range .}}<button name="user" value="{{.ID}}">{{.Name}}<small>{{range $i, $g := .Groups}}{{if $i}}, {{end}}{{$g}}{{else}}in no group{{end}}</small></button>
{{end}}</form>
</html>
`
