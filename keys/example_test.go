package keys_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"privyseal/keys"
)

func Example() {
	key, err := keys.Generate("ES256", nil)
	if err != nil {
		panic(err)
	}
	text, err := key.MarshalPEM() // what `privyseal keys generate` writes
	if err != nil {
		panic(err)
	}

	set, err := keys.Parse(text, keys.ParseOptions{})
	if err != nil {
		panic(err)
	}
	ring := keys.NewRing(keys.RingOptions{})
	if err := ring.Use(set, keys.Rotation{}); err != nil {
		panic(err)
	}
	_, kid, err := ring.Sign(context.Background(), []byte(`{"sub":"ada"}`))
	if err != nil {
		panic(err)
	}
	answer := httptest.NewRecorder()
	ring.ServeHTTP(answer, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
	fmt.Println(kid == key.KeyID(), answer.Code, answer.Header().Get("Content-Type"))
	// Output: true 200 application/json
}
