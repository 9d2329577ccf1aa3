package keys_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"

	"privyseal/keys"
)

// sample is the private key that Pomerium's documentation prints.
const sample = "LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0tCk1IY0NBUUVFSUNUWHlVQ0phYmlHTW1wd3VqYlBmWHhNS2MzWjNFM0tEcmlEbmQwZktiTmtvQW9HQ0NxR1NNNDkKQXdFSG9VUURRZ0FFM1FYQmZ1eEV1UEhJT0ZDb3RaaXBOMUFqM3UrOUtFRWd4RFVURW9CcjYxYXpaYWFvYlRGbwo0cGY3WFRSbzVhM2U2aDdKUW9wckp4QSszd0dwTUpSYWl3PT0KLS0tLS1FTkQgRUMgUFJJVkFURSBLRVktLS0tLQo="

func block(t testing.TB, kind string, der []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func sec1(t testing.TB, k *keys.Key) []byte {
	der, err := x509.MarshalECPrivateKey(privateOf(t, k).(*ecdsa.PrivateKey))
	return block(t, "EC PRIVATE KEY", der, err)
}

func pkcs1(t testing.TB, k *keys.Key) []byte {
	return block(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(privateOf(t, k).(*rsa.PrivateKey)), nil)
}

// Every form that a key file may have gives the same keys, in the order of the
// file.
func TestParseForms(t *testing.T) {
	p256, p384, p521 := newKey(t, "ES256"), newKey(t, "ES384"), newKey(t, "ES512")
	ed, rsa := newKey(t, "EdDSA"), newKey(t, "RS256")
	one := privateText(t, p256)
	base := func(text []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(text)) }
	der, _ := pem.Decode(sec1(t, p256))

	for name, c := range map[string]struct {
		text []byte
		want []*keys.Key
	}{
		"PKCS#8":                {one, []*keys.Key{p256}},
		"SEC1":                  {sec1(t, p521), []*keys.Key{p521}},
		"PKCS#1":                {pkcs1(t, rsa), []*keys.Key{rsa}},
		"Ed25519":               {privateText(t, ed), []*keys.Key{ed}},
		"a mix, in order":       {slices.Concat(pkcs1(t, rsa), sec1(t, p384), privateText(t, ed, p256), sec1(t, p521)), []*keys.Key{rsa, p384, ed, p256, p521}},
		"a public key behind":   {slices.Concat(one, publicText(t, p384)), []*keys.Key{p256, p384}},
		"a mistaken label":      {block(t, "PRIVATE KEY", der.Bytes, nil), []*keys.Key{p256}},
		"base64":                {base(one), []*keys.Key{p256}},
		"base64 in lines":       {bytes.ReplaceAll(base(one), []byte("A"), []byte("A\r\n")), []*keys.Key{p256}},
		"space around base64":   {slices.Concat([]byte(" \n\t"), base(one), []byte("\r\n ")), []*keys.Key{p256}},
		"base64 of space":       {base(slices.Concat([]byte("\n \n"), one, []byte("\n\n"))), []*keys.Key{p256}},
		"CR LF":                 {bytes.ReplaceAll(one, []byte("\n"), []byte("\r\n")), []*keys.Key{p256}},
		"no last line break":    {bytes.TrimSpace(one), []*keys.Key{p256}},
		"a byte order mark":     {slices.Concat([]byte("\ufeff"), one), []*keys.Key{p256}},
		"... inside base64":     {base(slices.Concat([]byte("\ufeff"), one)), []*keys.Key{p256}},
		"... before base64":     {slices.Concat([]byte("\ufeff"), base(one)), []*keys.Key{p256}},
		"comments":              {slices.Concat([]byte("# 2026\n"), one, []byte("# the one before\n"), privateText(t, p384), []byte("# end\n")), []*keys.Key{p256, p384}},
		"parameters in between": {slices.Concat(one, testdata(t, "sec1-with-parameters")), nil},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := keys.Parse(c.text, keys.ParseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, k := range c.want {
				want = append(want, k.KeyID())
			}
			if got := kids(set); c.want != nil && !slices.Equal(got, want) {
				t.Errorf("keys %v, want %v", got, want)
			}
			if c.want == nil && len(set.Keys()) != 2 {
				t.Errorf("%d keys, want 2", len(set.Keys()))
			}
		})
	}
	for _, name := range []string{"sec1-with-parameters", "compressed"} {
		if got := parse(t, testdata(t, name)).Keys(); len(got) != 1 || got[0].Algorithm() != "ES256" || !got[0].Private() {
			t.Errorf("%s: %v", name, got)
		}
	}
	if set := parse(t, one, publicText(t, p384)); set.Keys()[1].Private() {
		t.Error("a public key block is private")
	}
}

// Whatever might sign with another key than the operator means, or with a bad
// one, is refused, and the error says which block and what to do.
func TestParseRefuses(t *testing.T) {
	a, b := newKey(t, "ES256"), newKey(t, "ES256")
	one, two := privateText(t, a), privateText(t, b)
	base := base64.StdEncoding.EncodeToString(one)
	cut := func(text []byte, line string) []byte { return bytes.Replace(text, []byte(line), nil, 1) }

	for name, c := range map[string]struct {
		text []byte
		want string // part of the error
	}{
		"nothing":                     {nil, "empty"},
		"white space":                 {[]byte(" \n"), "empty"},
		"a byte order mark alone":     {[]byte("\ufeff\n"), "empty"},
		"no PEM":                      {[]byte("hello, world"), "no private key"},
		"base64 of no PEM":            {[]byte(base64.StdEncoding.EncodeToString([]byte("hello"))), "no private key"},
		"too long":                    {bytes.Repeat([]byte("#"), 64<<10+1), "65536 bytes"},
		"unpadded base64":             {[]byte(strings.TrimRight(base64.StdEncoding.EncodeToString(append(one, '\n')), "=")), "unpadded"},
		"URL-safe base64":             {[]byte(base64.URLEncoding.EncodeToString(append(one, 0xff, 0xff, 0xff))), "URL-safe"},
		"a truncated key":             {one[:len(one)/2], "block 1 is not PEM"},
		"a broken key before a whole": {append(cut(one, "-----END PRIVATE KEY-----\n"), two...), "block 1 is not PEM"},
		"a broken key after a whole":  {append(slices.Clone(two), cut(one, "-----END PRIVATE KEY-----\n")...), "block 2 is not PEM"},
		"an indented block":           {append(slices.Clone(two), bytes.ReplaceAll(one, []byte("-----B"), []byte("  -----B"))...), "block 2 is not PEM"},
		"lost line breaks":            {bytes.ReplaceAll(one, []byte("\n"), []byte(" ")), "block 1 is not PEM"},
		"escaped line breaks":         {bytes.ReplaceAll(one, []byte("\n"), []byte(`\n`)), "give base64"},
		"the same key twice":          {slices.Concat(one, two, one), "block 3 (PRIVATE KEY): key " + a.KeyID() + " is there twice"},
		"both halves of a key":        {slices.Concat(one, publicText(t, a)), "block 2 (PUBLIC KEY): key " + a.KeyID() + " is there twice"},
		"a public key first":          {slices.Concat(publicText(t, a), two), "block 1 (PUBLIC KEY): a public key before the first private key"},
		"public keys alone":           {publicText(t, a), "block 1 (PUBLIC KEY)"},
		"parameters alone":            {block(t, "EC PARAMETERS", []byte{6, 0}, nil), "no private key"},
		"a certificate":               {slices.Concat(one, testdata(t, "certificate")), "block 2 (CERTIFICATE): certificates do not belong here"},
		"an encrypted key":            {testdata(t, "encrypted-pkcs8"), "block 1 (ENCRYPTED PRIVATE KEY): the key is encrypted: decrypt it with `openssl pkey"},
		"a legacy encrypted key":      {testdata(t, "encrypted-legacy"), "block 1 (EC PRIVATE KEY): the key is encrypted: decrypt it with `openssl pkey"},
		"DH parameters":               {slices.Concat(testdata(t, "dhparam"), one), "block 1 (unknown type)"},
		"an OpenSSH key":              {block(t, "OPENSSH PRIVATE KEY", []byte("x"), nil), "block 1 (OPENSSH PRIVATE KEY): only"},
		"P-224":                       {testdata(t, "p224"), "elliptic curve cannot sign"},
		"secp256k1":                   {testdata(t, "secp256k1"), "secp256k1 cannot sign"},
		"explicit parameters":         {testdata(t, "explicit-sec1"), "openssl pkey -in FILE -ec_param_enc named_curve"},
		"explicit parameters, PKCS#8": {testdata(t, "explicit-pkcs8"), "openssl pkey -in FILE -ec_param_enc named_curve"},
		"Ed448":                       {testdata(t, "ed448"), "Ed448 keys cannot sign"},
		"X25519":                      {testdata(t, "x25519"), "cannot sign"},
		"RSA-PSS":                     {testdata(t, "rsa-pss"), "RSA-PSS keys cannot sign"},
		"RSA of 1024 bits":            {testdata(t, "rsa1024"), "RSA key of 1024 bits"},
		"RSA with exponent 3":         {testdata(t, "rsa-e3"), "below 65537"},
		"not a key":                   {block(t, "PRIVATE KEY", []byte("nonsense"), nil), "not a key that can be read"},
		"a huge block":                {block(t, "PRIVATE KEY", make([]byte, 9<<10), nil), "larger than any supported key"},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := keys.Parse(c.text, keys.ParseOptions{})
			if err == nil {
				t.Fatalf("accepted: %v", set)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want %q in it", err, c.want)
			}
			if strings.Contains(err.Error(), base[60:80]) || strings.Contains(err.Error(), string(one[40:60])) {
				t.Errorf("error %q shows the key", err)
			}
		})
	}
}

// A key file is refused when its parts do not belong together, even where the
// standard parser passes over that.
func TestParseRefusesDamage(t *testing.T) {
	a, b := privateOf(t, newKey(t, "ES256")).(*ecdsa.PrivateKey), privateOf(t, newKey(t, "ES256")).(*ecdsa.PrivateKey)
	point := func(k *ecdsa.PrivateKey) []byte {
		p, err := k.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	sec1DER, err := x509.MarshalECPrivateKey(a)
	sec1Other := block(t, "EC PRIVATE KEY", bytes.Replace(sec1DER, point(a), point(b), 1), err)
	pkcs8DER, err := x509.MarshalPKCS8PrivateKey(a)
	pkcs8Other := block(t, "PRIVATE KEY", bytes.Replace(pkcs8DER, point(a), point(b), 1), err)
	order := elliptic.P256().Params().N.Bytes()
	scalar, err := a.Bytes()
	tooLarge := block(t, "EC PRIVATE KEY", bytes.Replace(sec1DER, scalar, order, 1), err)
	publicDER, err := x509.MarshalPKIXPublicKey(&a.PublicKey)
	publicDER[len(publicDER)-1] ^= 1
	offCurve := slices.Concat(privateText(t, newKey(t, "EdDSA")), block(t, "PUBLIC KEY", publicDER, err))

	r := privateOf(t, newKey(t, "RS256")).(*rsa.PrivateKey)
	wrongD := &rsa.PrivateKey{PublicKey: r.PublicKey, D: new(big.Int).Add(r.D, big.NewInt(2)), Primes: r.Primes}
	wide := new(big.Int).Lsh(big.NewInt(1), 8200)
	wideDER, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: wide.SetBit(wide, 0, 1), E: 65537})
	wideRSA := slices.Concat(privateText(t, newKey(t, "EdDSA")), block(t, "PUBLIC KEY", wideDER, err))

	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"another public half":          {sec1Other, "stored with the private key is not its own"},
		"another public half, PKCS#8":  {pkcs8Other, "stored with the private key is not its own"},
		"a scalar beyond the order":    {tooLarge, "not of its curve"},
		"a public key off its curve":   {offCurve, "block 2 (PUBLIC KEY): the private or the public half is not of its curve"},
		"RSA with a wrong exponent":    {block(t, "RSA PRIVATE KEY", pkcs1DER(t, wrongD), nil), "not a key that can be read"},
		"RSA of more than 8192 bits":   {wideRSA, "RSA key of 8201 bits"},
		"the X25519 key's public half": {slices.Concat(privateText(t, newKey(t, "EdDSA")), x25519Public(t)), "cannot sign"},
	} {
		t.Run(name, func(t *testing.T) {
			if set, err := keys.Parse(c.text, keys.ParseOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v, want %q in the error", set, err, c.want)
			}
		})
	}
}

// pkcs1DER writes a key as it is; the standard encoder would correct it.
func pkcs1DER(t *testing.T, k *rsa.PrivateKey) []byte {
	t.Helper()
	p, q := k.Primes[0], k.Primes[1]
	one := big.NewInt(1)
	der, err := asn1.Marshal(struct {
		Version                      int
		N                            *big.Int
		E                            int
		D, P, Q, DP, DQ, Coefficient *big.Int
	}{0, k.N, k.E, k.D, p, q,
		new(big.Int).Mod(k.D, new(big.Int).Sub(p, one)), new(big.Int).Mod(k.D, new(big.Int).Sub(q, one)), new(big.Int).ModInverse(q, p)})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func x25519Public(t *testing.T) []byte {
	t.Helper()
	b, _ := pem.Decode(testdata(t, "x25519"))
	private, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.(*ecdh.PrivateKey).PublicKey())
	return block(t, "PUBLIC KEY", der, err)
}

// Everybody has the sample key, so neither half may be published by mistake.
func TestParseSample(t *testing.T) {
	const kid = "e05015c36b1fccdee6ec1c45a4988acafcc1118c5d01e1120ee5be64ba176d22"
	set, err := keys.Parse([]byte(sample), keys.ParseOptions{AllowSample: true})
	if err != nil || set.Keys()[0].KeyID() != kid {
		t.Fatalf("allowed: %v, %v", set, err)
	}
	if _, err := keys.Parse([]byte(sample), keys.ParseOptions{}); err == nil || !strings.Contains(err.Error(), "everybody can sign with") {
		t.Errorf("private: %v", err)
	}
	behind := slices.Concat(privateText(t, newKey(t, "ES256")), publicText(t, set.Keys()[0]))
	if _, err := keys.Parse(behind, keys.ParseOptions{}); err == nil || !strings.Contains(err.Error(), "everybody can sign with") {
		t.Errorf("public: %v", err)
	}
}

func TestParseBoundsTheNumberOfKeys(t *testing.T) {
	var text []byte
	for range 101 {
		_, private, _ := ed25519.GenerateKey(nil)
		der, err := x509.MarshalPKCS8PrivateKey(private)
		text = append(text, block(t, "PRIVATE KEY", der, err)...)
	}
	if _, err := keys.Parse(text, keys.ParseOptions{}); err == nil || !strings.Contains(err.Error(), "block 101 (PRIVATE KEY): more than 100 keys") {
		t.Error(err)
	}
}

// A block type is free text, which may be a key that lost its line breaks.
func TestParseErrorsDoNotQuoteStrangeTypes(t *testing.T) {
	kind := "PRIVATE KEY----- MC4CAQAwBQYDK2VwBCIEIJ"
	_, err := keys.Parse([]byte("-----BEGIN "+kind+"-----\nAAAA\n-----END "+kind+"-----\n"), keys.ParseOptions{})
	if err == nil || strings.Contains(err.Error(), "MC4CAQ") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(privateText(f, newKey(f, "ES256"), newKey(f, "EdDSA")))
	f.Add([]byte(sample))
	for _, name := range []string{"sec1-with-parameters", "explicit-sec1", "certificate", "encrypted-legacy", "compressed"} {
		f.Add(testdata(f, name))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := keys.Parse(text, keys.ParseOptions{})
		if err != nil {
			return
		}
		if list := set.Keys(); len(list) == 0 || !list[0].Private() {
			t.Errorf("a set that cannot sign: %v", set)
		}
	})
}
