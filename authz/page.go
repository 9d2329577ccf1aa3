package authz

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"strings"
)

// PageType is the content type of a [Page].
const PageType = "text/html; charset=utf-8"

// Page is what a person sees in a browser in place of the application: plain
// HTML that works without scripts, on a phone and with a screen reader, and
// loads nothing.
type Page struct {
	Title string
	Text  []string // paragraphs
	Links []Link
	Note  string // small print
	Again bool   // asks for itself again, after a second
}

// Link leads on from a page.
type Link struct {
	Label string
	URL   string // path-absolute
	Post  bool   // a button that sends a form without fields
}

const pageStyle = `:root{color-scheme:light dark}` +
	`body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto 2rem;padding:0 1.25rem;overflow-wrap:anywhere}` +
	`h1{font-size:1.5rem;line-height:1.25}` +
	`li{margin:.5rem 0}ul{list-style:none;padding:0}` +
	`a,button{font:inherit;display:inline-block;padding:.6rem 1.1rem;border:1px solid;border-radius:.4rem;color:inherit;background:none;text-decoration:none;cursor:pointer}` +
	`small{opacity:.75}`

// PagePolicy is the Content-Security-Policy of a [Page]: its own style and
// nothing else, in nobody's frame. Forms are not restricted, because browsers
// hold form-action against the redirects that follow, and logging out ends at
// the identity provider.
func PagePolicy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'"
}

// HTML writes the page. All texts are escaped.
func (p Page) HTML() []byte {
	var b strings.Builder
	text := func(s string) string { return html.EscapeString(strings.ToValidUTF8(s, "?")) }
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
	b.WriteString("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"robots\" content=\"noindex\">")
	if p.Again {
		b.WriteString("<meta http-equiv=\"refresh\" content=\"1\">")
	}
	b.WriteString("<title>" + text(p.Title) + "</title><style>" + pageStyle + "</style></head>\n<body><main><h1>" + text(p.Title) + "</h1>\n")
	for _, paragraph := range p.Text {
		b.WriteString("<p>" + text(paragraph) + "</p>\n")
	}
	if len(p.Links) > 0 {
		b.WriteString("<ul>\n")
		for _, l := range p.Links {
			if l.Post {
				b.WriteString("<li><form method=\"post\" action=\"" + text(l.URL) + "\"><button>" + text(l.Label) + "</button></form></li>\n")
				continue
			}
			b.WriteString("<li><a href=\"" + text(l.URL) + "\">" + text(l.Label) + "</a></li>\n")
		}
		b.WriteString("</ul>\n")
	}
	if p.Note != "" {
		b.WriteString("<p><small>" + text(p.Note) + "</small></p>\n")
	}
	b.WriteString("</main></body></html>\n")
	return []byte(b.String())
}

// WantsPage reports whether a reply to the request would be shown to a person:
// the client asks for HTML, and as far as the browser says what for (Fetch
// Metadata), for a document.
func WantsPage(r *Request) bool {
	if IsGRPC(r) || !listed(r.Headers, "accept", "text/html") || len(r.Headers.Values("x-requested-with")) > 0 {
		return false
	}
	switch destination(r) {
	case "", "document", "iframe", "frame":
		return true
	}
	return false
}

// IsNavigation reports whether the request opens a page in a tab, by a link, an
// address or a bookmark, so that sending it elsewhere sends a person there.
// Scripts, images, frames, prefetching and sockets are none. Without Fetch
// Metadata, which browsers send to https origins since 2023, a GET that asks
// for HTML counts.
func IsNavigation(r *Request) bool {
	if r.Method != "GET" || !WantsPage(r) || len(r.Headers.Values("sec-purpose")) > 0 ||
		len(r.Headers.Values("purpose")) > 0 || len(r.Headers.Values("upgrade")) > 0 {
		return false
	}
	mode := single(r, "sec-fetch-mode")
	if mode == "" && destination(r) == "" {
		return true
	}
	return mode == "navigate" && destination(r) == "document"
}

func destination(r *Request) string { return single(r, "sec-fetch-dest") }

// single returns a header's value; a repeated header has one that nothing
// equals.
func single(r *Request, name string) string {
	switch values := r.Headers.Values(name); len(values) {
	case 0:
		return ""
	case 1:
		return strings.TrimSpace(values[0])
	}
	return ","
}

// listed reports whether a list of media ranges names a type, and not with
// weight 0.
func listed(h Headers, name, media string) bool {
	for _, value := range h.Values(name) {
		for item := range strings.SplitSeq(value, ",") {
			kind, parameters, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(kind), media) {
				return strings.Trim(strings.ReplaceAll(parameters, " ", ""), "0.") != "q="
			}
		}
	}
	return false
}
