package privyseal

import (
	"log/slog"
	"strconv"
	"time"
	"unicode/utf8"

	"privyseal/authz"
)

// appendDecision appends the line of a decision, as [slog.JSONHandler] would
// write it.
func appendDecision(b []byte, rec *authz.Record) []byte {
	b = append(b, `{"time":"`...)
	b = rec.Time.AppendFormat(b, time.RFC3339Nano)
	b = append(append(append(b, `","level":"`...), level(rec).String()...), `","msg":"decision"`...)
	var room [32]slog.Attr
	for _, attribute := range attributes(room[:0], rec) {
		b = append(append(append(b, `,"`...), attribute.Key...), `":`...)
		b = appendAttribute(b, attribute.Value)
	}
	return append(b, "}\n"...)
}

func appendAttribute(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindTime:
		return append(v.Time().AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
	}
	return appendText(b, v.String())
}

// appendText appends a JSON string. A byte that is not UTF-8 becomes U+FFFD, and
// the separators that are line ends to some readers are escaped.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c, size := rune(s[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRuneInString(s[i:])
		}
		switch {
		case c == utf8.RuneError && size == 1:
			b = append(b, `\ufffd`...)
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < 0x20 || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c == '\u2028' || c == '\u2029':
			b = append(b, `\u202`...)
			b = append(b, hex[c&15])
		default:
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return append(b, '"')
}
