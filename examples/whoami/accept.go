package whoami

import (
	"mime"
	"strconv"
	"strings"
)

// prefersJSON reports whether an Accept header (RFC 9110 section 12.5.1) asks
// for anything rather than a page. Browsers name text/html; curl does not.
func prefersJSON(accept string) bool {
	page, json := 0.0, 0.0
	for _, part := range strings.Split(accept, ",") {
		media, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := parameters["q"]; ok {
			q, _ = strconv.ParseFloat(text, 64)
		}
		switch media {
		case "text/html", "application/xhtml+xml":
			page = max(page, q)
		case "application/json":
			json = max(json, q)
		}
	}
	return page == 0 || json > page
}
