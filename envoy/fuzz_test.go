package envoy

import (
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"privyseal/authz"
)

// FuzzCheck: whatever the bytes, the answer is consistent, can be encoded, and
// neither sets and removes one header nor sets one that is not text.
func FuzzCheck(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\xff"))
	f.Add(encoded(message()))
	f.Add(encoded(message(func(h *authv3.AttributeContext_HttpRequest) {
		h.Headers = nil
		h.HeaderMap = &corev3.HeaderMap{Headers: []*corev3.HeaderValue{
			{Key: "cookie", RawValue: []byte("a=\xff; __Host-privyseal_s=1; b=2,c=3")},
			{Key: "X_Pomerium-Any", RawValue: []byte("x")},
			{Key: "content-type", Value: "application/grpc"},
		}}
	})))
	certificate := message()
	certificate.Attributes.Source = &authv3.AttributeContext_Peer{Principal: "spiffe://td/x", Certificate: "%2D%2D%zz"}
	f.Add(encoded(certificate))
	signed, public := NewServer(fuzzed(f, signing()), nil), NewServer(fuzzed(f, &authz.Rule{Name: "p", Public: true}), nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range []*Server{signed, public} {
			m := checked(t.Context(), s, b)
			if !consistent(t, m) {
				continue
			}
			removed := map[string]bool{}
			for _, name := range m.GetOkResponse().GetHeadersToRemove() {
				removed[name] = true
			}
			for _, o := range m.GetOkResponse().GetHeaders() {
				if removed[o.GetHeader().GetKey()] || !text(o.GetHeader().GetValue()) {
					t.Fatalf("header %q", o)
				}
			}
			if s == signed && removed[authz.DefaultHeader] || s == public && !removed[authz.DefaultHeader] {
				t.Fatal("the assertion's header is not as its rule says")
			}
		}
	})
}

func fuzzed(f *testing.F, rule *authz.Rule) *authz.Authorizer {
	a, err := authz.New(authz.Options{
		Policy: policyFunc(func(*authz.Request) (*authz.Rule, *authz.Denial) { return rule, nil }), Signer: signer{},
	})
	if err != nil {
		f.Fatal(err)
	}
	return a
}
