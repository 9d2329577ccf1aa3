package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"privyseal/examples/whoami"
)

const (
	trafficEvery  = 200 * time.Millisecond
	newTokenEvery = 10 * time.Minute // tokens last an hour
	reportEvery   = 5 * time.Minute
	requestWithin = 2 * time.Second
)

// traffic calls the application through Envoy all the time, as Alice, and says
// when the key that signs for her changes or a call fails.
type traffic struct {
	o      *options
	out    io.Writer
	client *http.Client

	token              string
	requests, failures int
	kid                string // of the last assertion
	why                string // of the last failure, until there is none
}

func newTraffic(o *options, out io.Writer) *traffic {
	return &traffic{o: o, out: out, client: &http.Client{Timeout: requestWithin}}
}

// run calls until the context ends, and then sums up.
func (t *traffic) run(ctx context.Context) {
	call, renew, report := time.NewTicker(trafficEvery), time.NewTicker(newTokenEvery), time.NewTicker(reportEvery)
	defer call.Stop()
	defer renew.Stop()
	defer report.Stop()
	for {
		select {
		case <-ctx.Done():
			t.report()
			return
		case <-renew.C:
			t.token = ""
		case <-report.C:
			t.report()
		case <-call.C:
			if kid, err := t.call(ctx); ctx.Err() == nil {
				t.count(kid, err)
			}
		}
	}
}

// count notes the outcome of a call and reports what is new.
func (t *traffic) count(kid string, err error) {
	t.requests++
	switch {
	case err != nil:
		t.failures++
		if why := err.Error(); why != t.why {
			t.why = why
			fmt.Fprintf(t.out, "traffic: FAILED: %s\n", why)
		}
	case kid != t.kid || t.why != "":
		t.kid, t.why = kid, ""
		t.report()
	}
}

func (t *traffic) report() {
	fmt.Fprintf(t.out, "traffic: %d requests, %d verification failures, signed by key %.12s\n", t.requests, t.failures, t.kid)
}

// call makes one call and returns the key that signed.
func (t *traffic) call(ctx context.Context) (kid string, err error) {
	if t.token == "" {
		if t.token, err = tokenFor("http://"+loopback(t.o.idpPort), "alice"); err != nil {
			return "", err
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+loopback(t.o.envoyPort)+"/json", nil)
	if err != nil {
		return "", err
	}
	r.Host = "whoami.localhost"
	r.Header.Set("Authorization", "Bearer "+t.token)
	resp, err := t.client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var v whoami.View
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		return "", fmt.Errorf("%s, and no JSON", resp.Status)
	}
	if v.Verdict != whoami.Valid || v.Assertion == nil {
		return "", fmt.Errorf("%s: %s: %s", resp.Status, v.Verdict, v.Why)
	}
	kid, _ = v.Assertion.Header["kid"].(string)
	return kid, nil
}
