package verify_test

import (
	"errors"
	"testing"

	"privyseal/authz/verify"
)

// joePayload is the payload of RFC 7515 appendix A.
const joePayload = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"

func TestPublishedVectors(t *testing.T) {
	for _, v := range []struct{ name, jwk, jws, payload, algorithm string }{
		{
			"RFC 7515 A.2",
			`{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}`,
			"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
			joePayload, "RS256",
		},
		{
			"RFC 7515 A.3",
			`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
			"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
			joePayload, "ES256",
		},
		{
			"RFC 8037 A.4",
			`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
			"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
			"Example of Ed25519 signing", "EdDSA",
		},
	} {
		t.Run(v.name, func(t *testing.T) {
			keys, err := verify.Static([]byte(`{"keys":[` + v.jwk + `]}`))
			if err != nil {
				t.Fatal(err)
			}
			signed, err := keys.Verify(t.Context(), v.jws)
			if err != nil || string(signed.Payload) != v.payload || signed.Algorithm != v.algorithm {
				t.Fatalf("got %q, %q, %v", signed.Payload, signed.Algorithm, err)
			}
			for _, changed := range []string{v.jws[:30] + flip(v.jws[30:31]) + v.jws[31:], v.jws[:len(v.jws)-10] + flip(v.jws[len(v.jws)-10:len(v.jws)-9]) + v.jws[len(v.jws)-9:]} {
				if _, err := keys.Verify(t.Context(), changed); !errors.Is(err, verify.ErrSignature) {
					t.Errorf("one character changed: %v", err)
				}
			}
		})
	}
}

// flip returns another character of the base64url alphabet.
func flip(c string) string {
	if c == "A" {
		return "B"
	}
	return "A"
}
