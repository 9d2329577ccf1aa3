package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"privyseal/keys"
)

// replica is what an admin listener says at /-/keys, or why it says nothing.
type replica struct {
	Admin     string    `json:"admin"`
	Reached   bool      `json:"reached"`
	InService bool      `json:"in_service"`
	Unfit     string    `json:"unfit,omitempty"`
	Error     string    `json:"error,omitempty"`
	Now       time.Time `json:"now,omitzero"`
	*keys.Status
}

// adminQuestion asks one admin listener.
type adminQuestion struct {
	name   string // without a password
	url    string
	client *http.Client
}

func adminQuestions(admins []string) ([]adminQuestion, error) {
	var list []adminQuestion
	for i, admin := range admins {
		q := adminQuestion{client: directClient()}
		if path, ok := strings.CutPrefix(admin, "unix://"); ok && strings.HasPrefix(path, "/") {
			q.name, q.url = admin, "http://localhost/-/keys"
			q.client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			}}
		} else {
			u, err := url.Parse(admin)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				return nil, failed(wrongUsage, "--admin is a URL such as http://127.0.0.1:9090, or unix:///PATH", "--admin number %d is neither an http or https URL nor a unix socket", i+1)
			}
			q.name, q.url = u.Redacted(), u.JoinPath("-/keys").String()
		}
		list = append(list, q)
	}
	return list, nil
}

func (q adminQuestion) ask(ctx context.Context, timeout time.Duration) replica {
	r := replica{Admin: q.name}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := q.fill(ctx, &r); err != nil {
		return replica{Admin: q.name, Error: oneLine(err.Error())}
	}
	r.Reached, r.InService = true, r.Unfit == ""
	return r
}

func (q adminQuestion) fill(ctx context.Context, r *replica) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, q.url, nil)
	if err != nil {
		return errors.New("the URL cannot be asked")
	}
	answer, err := q.client.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxInput))
	if err != nil {
		return err
	}
	var said struct {
		keys.Status
		Unfit string
		Now   time.Time
	}
	if answer.StatusCode != http.StatusOK || json.Unmarshal(text, &said) != nil || said.Now.IsZero() {
		return fmt.Errorf("answers with status %d, and not about keys: is this the service's listen.admin?", answer.StatusCode)
	}
	r.Status, r.Unfit, r.Now = &said.Status, said.Unfit, said.Now
	return nil
}
