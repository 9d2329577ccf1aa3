package privyseal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"privyseal/authz/verify"
	"privyseal/keys"
)

// vectors are what docs/assertion-vectors.json holds: whoever writes a verifier
// can hold it to them.
type vectors struct {
	Comment  string          `json:"comment"`
	Issuer   string          `json:"issuer"`
	Audience string          `json:"audience"`
	Now      int64           `json:"now"`
	JWKS     json.RawMessage `json:"jwks"`
	Vectors  []vector        `json:"vectors"`
	Bound    []boundVector   `json:"bound"`
}

type vector struct {
	Name   string `json:"name"`
	Accept bool   `json:"accept"`
	JWS    string `json:"jws"`
}

// boundVector is an assertion with the request that it arrives with.
type boundVector struct {
	Name   string `json:"name"`
	Accept bool   `json:"accept"`
	Method string `json:"method"`
	Host   string `json:"host"`
	Target string `json:"target"`
	JWS    string `json:"jws"`
}

// TestAssertionVectors makes the vectors again, which Ed25519 allows, compares
// them with the file, and holds our own verifier to them.
func TestAssertionVectors(t *testing.T) {
	made := makeVectors(t)
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(made); err != nil {
		t.Fatal(err)
	}
	const file = "docs/assertion-vectors.json"
	if *update {
		if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the test makes (%v): run go test -run Vectors -update .", file, err)
	}
	set, err := verify.Static(made.JWKS)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := verify.New(verify.Config{
		Issuer: made.Issuer, Audience: made.Audience, Keys: set, Now: func() time.Time { return time.Unix(made.Now, 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range made.Vectors {
		if _, err := verifier.Verify(t.Context(), v.JWS, nil); (err == nil) != v.Accept {
			t.Errorf("%s: accepted %v (%v)", v.Name, err == nil, err)
		}
	}
	for _, v := range made.Bound {
		r := &http.Request{Method: v.Method, Host: v.Host, RequestURI: v.Target}
		if _, err := verifier.Verify(t.Context(), v.JWS, r); (err == nil) != v.Accept {
			t.Errorf("%s: accepted %v (%v)", v.Name, err == nil, err)
		}
	}
}

func makeVectors(t *testing.T) vectors {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	seed, err := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A") // RFC 8037 appendix A.1
	if err != nil {
		t.Fatal(err)
	}
	private := ed25519.NewKeyFromSeed(seed)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	set, err := keys.Parse(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), keys.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kid := set.Keys()[0].KeyID()
	const now = 1795435200
	sign := func(header, payload string) string {
		input := encode([]byte(header)) + "." + encode([]byte(payload))
		return input + "." + encode(ed25519.Sign(private, []byte(input)))
	}
	header := `{"alg":"EdDSA","kid":"` + kid + `","typ":"JWT"}`
	payload := `{"iss":"app.example","aud":"app","sub":"alice","user":"alice","email":"alice@corp.example","name":"Alice","sid":"","idp":"corp",` +
		`"groups":["staff"],"iat":1795435190,"exp":1795435500,"jti":"AAAAAAAAAAAAAAAAAAAAAA"}`
	but := func(old, new string) string {
		if !strings.Contains(payload, old) {
			t.Fatalf("no %s in the payload", old)
		}
		return sign(header, strings.Replace(payload, old, new, 1))
	}
	good := sign(header, payload)
	mac := hmac.New(sha256.New, private.Public().(ed25519.PublicKey))
	confused := encode([]byte(`{"alg":"HS256","kid":"`+kid+`","typ":"JWT"}`)) + "." + encode([]byte(payload))
	mac.Write([]byte(confused))
	parts := strings.Split(good, ".")
	return vectors{
		Comment: "Made with the published key of RFC 8037 appendix A.1. Verify each at the time now (Unix seconds), with this issuer, audience and key set; those under bound with the request that they arrive with.",
		Issuer:  "app.example", Audience: "app", Now: now, JWKS: set.MarshalJWKS(),
		Vectors: []vector{
			{"valid", true, good},
			{"valid, with a claim nobody knows", true, but(`"sid":""`, `"sid":"","tier":"gold"`)},
			{"expired an hour ago", false, but("1795435500", "1795431600")},
			{"made in an hour", false, but("1795435190", "1795438800")},
			{"without exp", false, but(`"exp":1795435500,`, "")},
			{"exp as text", false, but("1795435500", `"1795435500"`)},
			{"for another audience", false, but(`"aud":"app"`, `"aud":"reports"`)},
			{"of another issuer", false, but(`"iss":"app.example"`, `"iss":"evil.example"`)},
			{"a member twice", false, but(`"sub":"alice"`, `"sub":"alice","sub":"root"`)},
			{"bound to something that is not checked", false, but(`"sid":""`, `"sid":"","cnf":{"x5t#S256":"x"}`)},
			{"another typ", false, sign(strings.Replace(header, "JWT", "logout+jwt", 1), payload)},
			{"an unknown kid", false, sign(strings.Replace(header, kid[:8], "00000000", 1), payload)},
			{"no kid", false, sign(`{"alg":"EdDSA","typ":"JWT"}`, payload)},
			{"crit", false, sign(strings.Replace(header, `"typ"`, `"crit":["x"],"x":1,"typ"`, 1), payload)},
			{"alg none", false, encode([]byte(`{"alg":"none","kid":"`+kid+`","typ":"JWT"}`)) + "." + encode([]byte(payload)) + "."},
			{"HS256 with the public key as the secret", false, confused + "." + encode(mac.Sum(nil))},
			{"another payload under the signature", false, parts[0] + "." + encode([]byte(strings.Replace(payload, "alice", "admin", 1))) + "." + parts[2]},
			{"a changed signature", false, parts[0] + "." + parts[1] + "." + "A" + parts[2][1:]},
			{"padded base64", false, good + "=="},
			{"a fourth part", false, good + ".AA"},
		},
		Bound: boundVectors(func(req string) string { return but(`,"iat"`, `,"req":`+req+`,"iat"`) }),
	}
}

// boundVectors are assertions to which a claim req is added. What is digested is
// written out, as in docs/assertion.md.
func boundVectors(assertion func(req string) string) []boundVector {
	req := func(parts, digested string) string {
		sum := sha256.Sum256([]byte("privyseal-req-1\n" + digested))
		return `{"v":1,"parts":"` + parts + `","digest":"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"}`
	}
	const target = "/orders/a%2Fb?from=1&to=2"
	four := "method:3:GET\nhost:16:app.example:8443\npath:13:/orders/a%2Fb\nquery:11:from=1&to=2\n"
	whole := req("method host path query", four)
	all, pathOnly := assertion(whole), assertion(req("path", "path:13:/orders/a%2Fb\n"))
	but := func(old, new string) string { return assertion(strings.Replace(whole, old, new, 1)) }
	return []boundVector{
		{"the same request", true, "GET", "app.example:8443", target, all},
		{"another case of the host", true, "GET", "App.Example:8443", target, all},
		{"another method", false, "POST", "app.example:8443", target, all},
		{"another host", false, "GET", "reports.example:8443", target, all},
		{"another port", false, "GET", "app.example", target, all},
		{"another path", false, "GET", "app.example:8443", "/orders/c?from=1&to=2", all},
		{"the path decoded", false, "GET", "app.example:8443", "/orders/a/b?from=1&to=2", all},
		{"another query", false, "GET", "app.example:8443", "/orders/a%2Fb?from=1&to=3", all},
		{"no query", false, "GET", "app.example:8443", "/orders/a%2Fb", all},
		{"bound to the path, all else differs", true, "POST", "reports.example", "/orders/a%2Fb?x", pathOnly},
		{"bound to the path, which differs", false, "GET", "app.example:8443", "/orders?from=1&to=2", pathOnly},
		{"bound to no query, and there is none", true, "GET", "app.example", "/", assertion(req("query", "query:0:\n"))},
		{"bound to no query, and it is empty", true, "GET", "app.example", "/?", assertion(req("query", "query:0:\n"))},
		{"bound to no query, and there is one", false, "GET", "app.example", "/?a", assertion(req("query", "query:0:\n"))},
		{"fewer parts than were digested", false, "GET", "app.example:8443", target, but("method host path query", "method path")},
		{"parts in another order", false, "GET", "app.example:8443", target, but("method host", "host method")},
		{"an unknown part", false, "GET", "app.example:8443", target, but("query", "query body")},
		{"no parts", false, "GET", "app.example:8443", target, but("method host path query", "")},
		{"another version", false, "GET", "app.example:8443", target, but(`"v":1`, `"v":2`)},
		{"another digest", false, "GET", "app.example:8443", target, but(`"digest":"`, `"digest":"A`)},
		{"another member", false, "GET", "app.example:8443", target, but(`"v":1`, `"v":1,"body":"x"`)},
	}
}
