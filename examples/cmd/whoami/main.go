// Command whoami is an application that shows the assertion it received. See
// package whoami.
package main

import (
	"flag"
	"log"
	"net/http"
	"time"

	"privyseal/examples/whoami"
)

func main() {
	log.SetFlags(0)
	listen := flag.String("listen", "127.0.0.1:9003", "`address` to listen on")
	var o whoami.Options
	flag.StringVar(&o.Issuer, "issuer", "whoami.localhost", "the iss of assertions")
	flag.StringVar(&o.Audience, "audience", "whoami", "the aud of assertions for this application")
	flag.StringVar(&o.KeySetURL, "key-set", "http://127.0.0.1:9080/.well-known/jwks.json", "`URL` of the key set")
	flag.BoolVar(&o.InsecureHTTP, "insecure-http", false, "take the key set over http from another host, inside a network of your own")
	flag.Parse()
	app, err := whoami.New(o)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: *listen, Handler: app, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}
