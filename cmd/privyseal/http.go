package main

import (
	"errors"
	"net/http"
	"net/url"
)

// directClient asks exactly the URL it is given: no proxy, no redirect. The
// caller's context bounds the time.
func directClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// withoutURL drops the URL, which may hold a password, from a client's error.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
