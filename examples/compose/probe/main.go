// Command probe is the health check of containers that hold nothing else: it
// succeeds if a URL answers 200.
package main

import (
	"log"
	"net/http"
	"os"
	"time"
)

const within = 2 * time.Second

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: probe URL")
	}
	client := http.Client{Timeout: within, Transport: &http.Transport{}} // no proxy
	resp, err := client.Get(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		log.Fatal(resp.Status)
	}
}
