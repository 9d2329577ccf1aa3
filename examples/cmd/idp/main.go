// Command idp serves the demo's identity provider. See package idp.
package main

import (
	"flag"
	"log"
	"net/http"
	"time"

	"privyseal/examples/idp"
)

func main() {
	log.SetFlags(0)
	listen := flag.String("listen", "127.0.0.1:9002", "`address` to listen on; whoever reaches it can be anybody")
	issuer := flag.String("issuer", "http://127.0.0.1:9002", "the provider's own `URL`, as privyseal and browsers reach it")
	flag.Parse()
	handler, err := idp.New(idp.Options{Issuer: *issuer})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: *listen, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.ListenAndServe())
}
