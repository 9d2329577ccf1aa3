package privyseal

import (
	"strings"
	"testing"
)

func TestReferences(t *testing.T) {
	files := map[string]string{
		"/etc/privyseal/name.txt": "from-file\n",
		"/run/two":                "two\n\n",
		"/run/crlf":               "crlf\r\n",
		"/run/tricky":             "${SET}: [a, *b]",
		"/run/large":              strings.Repeat("x", maxReferencedFile+1),
		"/run/binary":             "\xff\x00",
	}
	environ := []string{"NAME=orders", "EMPTY=", "TRICKY=${NAME} $$ {a: b} \"'\n- c", "SET=1"}
	for _, test := range []struct{ raw, want, mistake string }{
		{raw: "plain", want: "plain"},
		{raw: "${NAME}", want: "orders"},
		{raw: "a-${NAME}-${NAME}-b", want: "a-orders-orders-b"},
		{raw: "${NAME:-other}", want: "orders"},
		{raw: "${UNSET:-other}", want: "other"},
		{raw: "${UNSET:-}", want: ""},
		{raw: "${EMPTY:-other}", want: "other"},
		{raw: "${EMPTY}", want: ""},
		{raw: "${UNSET:-a:-b}", want: "a:-b"},
		{raw: "$${NAME}", want: "${NAME}"},
		{raw: "$$$$", want: "$$"},
		{raw: "$NAME costs 5$", want: "$NAME costs 5$"},
		{raw: "${TRICKY}", want: "${NAME} $$ {a: b} \"'\n- c"}, // once, and never structure
		{raw: "${file:name.txt}", want: "from-file"},
		{raw: "${file:/run/two}", want: "two\n"},
		{raw: "${file:/run/crlf}", want: "crlf"},
		{raw: "${file:/run/tricky}", want: "${SET}: [a, *b]"},
		{raw: "${UNSET}", mistake: "environment variable UNSET is not set"},
		{raw: "${}", mistake: "none of ${NAME}"},
		{raw: "${1A}", mistake: "none of ${NAME}"},
		{raw: "${NAME-x}", mistake: "none of ${NAME}"},
		{raw: "${NAME", mistake: "not closed"},
		{raw: "${UNSET:-${NAME}}", mistake: "inside another"},
		{raw: "${file:/run/absent}", mistake: "file does not exist"},
		{raw: "${file:/run/large}", mistake: "larger than 65536 bytes"},
		{raw: "${file:/run/binary}", mistake: "not text in UTF-8"},
	} {
		c, err := Load(LoadOptions{
			Path: "/etc/privyseal/privyseal.yaml", Environ: environ,
			Source: []byte("version: 1\nrules: [{name: a, explain: '" + test.raw + "'}]\n"),
			ReadFile: func(name string) ([]byte, error) {
				if content, ok := files[name]; ok {
					return []byte(content), nil
				}
				return noFile(name)
			},
		})
		switch {
		case test.mistake != "":
			if err == nil || !strings.Contains(err.Error(), "privyseal.yaml:2:28: rules[0].explain: ") || !strings.Contains(err.Error(), test.mistake) {
				t.Errorf("%s: error %v, want %q", test.raw, err, test.mistake)
			}
		case err != nil:
			t.Errorf("%s: %v", test.raw, err)
		case c.Rules[0].Explain != test.want:
			t.Errorf("%s = %q, want %q", test.raw, c.Rules[0].Explain, test.want)
		}
	}
}

func TestReferencesStandForValuesOnly(t *testing.T) {
	c := load(t, "version: 1\nassertion: {claim_headers: {'${SET}': email}}\n")
	if _, ok := c.Assertion.ClaimHeaders["${SET}"]; !ok {
		t.Error("a key was expanded")
	}
	if got := mistakes(t, "version: 1\nhold_new_key: ${SET}\n"); !strings.Contains(got, "a reference stands for text only") {
		t.Error(got)
	}
}

func TestReferencesAreBoundedTogether(t *testing.T) {
	large := "LARGE=" + strings.Repeat("x", 1<<20)
	if got := mistakes(t, "version: 1\nrules: [{name: a, explain: '"+strings.Repeat("${LARGE}", 5)+"'}]\n", large); !strings.Contains(got, "more than 4194304 bytes in all") {
		t.Error(got)
	}
}

func TestReferencedFilesAreWatched(t *testing.T) {
	c, err := Load(LoadOptions{Path: "testdata/config/good/references.yaml", Environ: environ()})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Files(), " "); got != "testdata/config/good/key.txt testdata/config/good/references.yaml" {
		t.Errorf("Files() = %s", got)
	}
	if !strings.HasSuffix(c.SigningKey, "-----END PRIVATE KEY-----") || c.Issuer != "uri" || c.Rules[0].Explain != "costs 5$ or $5" {
		t.Errorf("%+v", c)
	}
}
