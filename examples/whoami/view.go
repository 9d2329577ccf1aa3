package whoami

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"privyseal/authz/verify"
)

// Verdict is what became of the assertion.
type Verdict string

// The verdicts.
const (
	Valid       Verdict = "valid"
	Refused     Verdict = "refused"     // there is one, and it does not count
	Missing     Verdict = "missing"     // there is none
	Unavailable Verdict = "unavailable" // the key set cannot be had
)

// View is all that is shown.
type View struct {
	Verdict Verdict  `json:"verdict"`
	Why     string   `json:"why,omitempty"`    // it is not valid
	Caller  string   `json:"caller,omitempty"` // verified
	Groups  []string `json:"groups,omitempty"` // verified

	Expects   Expects `json:"expects"`
	Assertion *Token  `json:"assertion,omitempty"` // as received, whatever the verdict
	KeySet    KeySet  `json:"key_set"`
	Request   Request `json:"request"`

	Now time.Time `json:"now"`
}

// Expects is what an assertion must say to be accepted.
type Expects struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	KeySet   string `json:"key_set"`
}

// Token is an assertion taken apart, not verified. Numbers are json.Number.
type Token struct {
	Header map[string]any `json:"header"`
	Claims map[string]any `json:"claims"`
	JWS    string         `json:"jws"`
}

// Request is what arrived.
type Request struct {
	Method  string      `json:"method"`
	Host    string      `json:"host"`
	Path    string      `json:"path"`
	Headers http.Header `json:"headers"`
}

func (a *App) view(r *http.Request, verdict Verdict) *View {
	v := &View{
		Verdict: verdict,
		Expects: Expects{a.o.Issuer, a.o.Audience, a.o.KeySetURL},
		KeySet:  a.published.get(r.Context()),
		Request: Request{r.Method, r.Host, r.URL.EscapedPath(), r.Header},
		Now:     a.o.Now().Truncate(time.Second),
	}
	if jws := r.Header.Get(verify.DefaultHeader); jws != "" {
		v.Assertion = decode(jws)
		kid, _ := v.Assertion.Header["kid"].(string)
		v.KeySet.mark(kid)
	}
	return v
}

// decode takes a token apart as far as it goes.
func decode(jws string) *Token {
	t := &Token{JWS: jws}
	parts := strings.Split(jws, ".")
	for i, target := range []*map[string]any{&t.Header, &t.Claims} {
		if i >= len(parts) {
			break
		}
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			break
		}
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		d.Decode(target) // what is not JSON stays empty
	}
	return t
}

// Claim is a line of the page's table.
type Claim struct {
	Name, Value string
	At          time.Time // of claims that are times; else zero
}

// Sorted returns claims in the order in which a person asks: who, for whom, when.
func Sorted(claims map[string]any) []Claim {
	order := []string{"sub", "name", "email", "groups", "idp", "iss", "aud", "iat", "exp", "jti"}
	names := make([]string, 0, len(claims))
	for name := range claims {
		names = append(names, name)
	}
	rank := func(name string) int {
		if i := slices.Index(order, name); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var list []Claim
	for _, name := range names {
		list = append(list, claim(name, claims[name]))
	}
	return list
}

func claim(name string, value any) Claim {
	c := Claim{Name: name}
	switch value := value.(type) {
	case string:
		c.Value = value
	case []any:
		for i, e := range value {
			if i > 0 {
				c.Value += ", "
			}
			c.Value += fmt.Sprint(e)
		}
	default:
		c.Value = fmt.Sprint(value)
	}
	if number, ok := value.(json.Number); ok && slices.Contains([]string{"iat", "exp", "nbf", "auth_time"}, name) {
		if seconds, err := number.Int64(); err == nil {
			c.At = time.Unix(seconds, 0).UTC()
		}
	}
	return c
}
