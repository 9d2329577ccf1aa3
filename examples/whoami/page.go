package whoami

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"privyseal/authz/verify"
)

//go:embed page.html
var pageHTML string

// page is the page, given its nonce.
type page struct {
	*View
	Nonce string
}

// Title says the verdict in a few words.
func (p page) Title() string {
	switch p.Verdict {
	case Valid:
		return "You are " + p.Caller
	case Missing:
		return "Nobody vouches for you"
	case Unavailable:
		return "The keys cannot be had"
	}
	return "This assertion does not count"
}

// Claims are the assertion's claims in order.
func (p page) Claims() []Claim { return Sorted(p.Assertion.Claims) }

// Lines are the request's header lines, sorted; the assertion is shown elsewhere.
func (p page) Lines() [][2]string {
	var lines [][2]string
	for name, values := range p.Request.Headers {
		name = strings.ToLower(name)
		for _, value := range values {
			if name == verify.DefaultHeader {
				value = "(the assertion above)"
			}
			lines = append(lines, [2]string{name, value})
		}
	}
	slices.SortFunc(lines, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return lines
}

// Relative says how far a time is from now.
func (p page) Relative(at time.Time) string {
	if d := at.Sub(p.Now); d > 0 {
		return "in " + d.String()
	}
	return p.Now.Sub(at).String() + " ago"
}

func writePage(w http.ResponseWriter, status int, v *View) {
	p := page{v, rand.Text()}
	var body bytes.Buffer
	if err := template.Must(template.New("page").Parse(pageHTML)).Execute(&body, p); err != nil {
		http.Error(w, "the page cannot be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "+
		"style-src 'nonce-"+p.Nonce+"'; script-src 'nonce-"+p.Nonce+"'")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	w.Write(body.Bytes())
}

func writeJSON(w http.ResponseWriter, status int, v *View) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	e.Encode(v)
}
