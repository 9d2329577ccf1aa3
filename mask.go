package privyseal

import (
	"regexp"
	"strconv"
	"strings"
)

// maskedLines returns the lines of the text without the secrets in them.
func (d *document) maskedLines() []string {
	lines := strings.Split(d.text, "\n")
	secret := -1 // indentation of the secret that goes on over several lines
	for i, line := range lines {
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		if secret >= 0 && (indent > secret || !otherKey.MatchString(line)) {
			lines[i] = masked
			continue
		}
		secret = -1
		if m := secretKey.FindStringSubmatch(line); m != nil && !isFileKey(m[1]) {
			secret = indent
		}
		lines[i] = strings.TrimRight(mask(line), " \t")
	}
	return lines
}

const masked = "****"

// Secrets are recognised without parsing, because a file that cannot be parsed
// is quoted too: by the key, also slightly misspelt, and by the look of them.
var (
	secretKey = regexp.MustCompile(`(?i)(["']?[\w-]*(?:sign[a-z]*[_-]?key|private[_-]?key|secret|password|passwd|token)[\w-]*["']?\s*[:=]\s*|\bpin["']?\s*[:=]\s*)(.*)`)
	otherKey  = regexp.MustCompile(`^\s*(?:- *)?\{?[A-Za-z_]+: *`)
	userinfo  = regexp.MustCompile(`(://[^\s:/@]*:)[^\s/]*@`)
	keyBlock  = regexp.MustCompile(`[A-Za-z0-9+/]{40,}={0,2}|-----(?:BEGIN|END)[^-]*-----.*`)
)

// mask hides what may be a secret in a line.
func mask(line string) string {
	if m := secretKey.FindStringSubmatchIndex(line); m != nil && m[4] < m[5] && !isFileKey(line[m[2]:m[3]]) {
		line = line[:m[4]] + masked
	}
	return maskBlocks(line)
}

func maskBlocks(s string) string {
	return keyBlock.ReplaceAllString(maskUserinfo(s), masked)
}

// maskUserinfo hides the password in a URL, unless it is a reference.
func maskUserinfo(s string) string {
	return userinfo.ReplaceAllStringFunc(s, func(match string) string {
		name, password, _ := strings.Cut(match[3:], ":")
		if wholeVariable.MatchString(strings.TrimSuffix(password, "@")) {
			return match
		}
		return "://" + name + ":" + masked + "@"
	})
}

func isFileKey(key string) bool {
	return strings.HasSuffix(strings.TrimRight(key, ` :="'`+"\t"), "_file")
}

// excerpt quotes what was written in a file for a message: bounded, and with
// secrets masked.
func excerpt(raw string) string {
	if first, _, more := strings.Cut(raw, "\n"); more {
		raw = first + "…"
	}
	return strconv.Quote(shortened(mask(raw), 60))
}
