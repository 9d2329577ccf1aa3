package whoami

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"privyseal/authz/verify"
)

// Options of the application.
type Options struct {
	// Issuer and Audience are what an assertion must say. Required.
	Issuer, Audience string
	// KeySetURL is where privyseal publishes its keys. Required.
	KeySetURL string
	// InsecureHTTP allows a KeySetURL without TLS that is not loopback.
	InsecureHTTP bool
	// Now tells the time. Default time.Now.
	Now func() time.Time
}

// App is the application. It answers on every path; /healthz needs no assertion.
type App struct {
	o         Options
	keys      *verify.KeySet
	published *published
	protected http.Handler
}

// New returns an application that has begun to fetch the key set. The caller
// calls Close.
func New(o Options) (*App, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &App{
		o:         o,
		keys:      verify.Remote(o.KeySetURL, verify.Options{Now: o.Now, InsecureHTTP: o.InsecureHTTP}),
		published: &published{url: o.KeySetURL, now: o.Now},
	}
	verifier, err := verify.New(verify.Config{
		Issuer: o.Issuer, Audience: o.Audience, Keys: a.keys, Refuse: a.refused, Now: o.Now,
	})
	if err != nil {
		a.Close()
		return nil, err
	}
	a.protected = verifier.Middleware(http.HandlerFunc(a.accepted))
	return a, nil
}

// Close ends the fetching.
func (a *App) Close() { a.keys.Close() }

func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" {
		io.WriteString(w, "ok\n")
		return
	}
	a.protected.ServeHTTP(w, r)
}

// accepted answers a request whose assertion is verified.
func (a *App) accepted(w http.ResponseWriter, r *http.Request) {
	caller, _ := verify.FromContext(r.Context())
	v := a.view(r, Valid)
	v.Caller, v.Groups = caller.Subject, caller.Groups
	show(w, r, http.StatusOK, v)
}

// refused answers every other one.
func (a *App) refused(w http.ResponseWriter, r *http.Request, err error) {
	status, verdict := http.StatusUnauthorized, Refused
	switch {
	case errors.Is(err, verify.ErrUnavailable):
		status, verdict = http.StatusServiceUnavailable, Unavailable
	case len(r.Header.Values(verify.DefaultHeader)) == 0:
		verdict = Missing
	}
	v := a.view(r, verdict)
	v.Why = err.Error()
	show(w, r, status, v)
}

// show writes a view in the form the client wants.
func show(w http.ResponseWriter, r *http.Request, status int, v *View) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Assertion")
	}
	if strings.HasSuffix(r.URL.Path, "/json") || prefersJSON(r.Header.Get("Accept")) {
		writeJSON(w, status, v)
		return
	}
	writePage(w, status, v)
}
