//go:build linux

package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
)

// traffic makes the requests of a scenario. What it returns is called once for
// each request, and what that returns is valid until the next call.
type traffic func(*world) (next func() []byte, err error)

// same is one request again and again.
func same(q question) traffic {
	return func(w *world) (func() []byte, error) {
		message, err := w.message(q)
		return func() []byte { return message }, err
	}
}

// publicPage needs no credential.
func publicPage() traffic { return same(question{path: "/public/page"}) }

// lastRule fits the last rule of a configuration only.
func lastRule(c configuration) traffic { return same(question{host: c.lastHost(), path: lastPath}) }

// certified comes from a client with a certificate.
func certified(w *world) (func() []byte, error) {
	q := question{path: "/mesh/orders", certificate: w.certificate, principal: "spiffe://" + trustDomain + "/orders-client"}
	return same(q)(w)
}

// bearer is callers with a token each, one after the other as caller says.
func bearer(w *world, draws int, caller func() int) (func() []byte, error) {
	tokens := map[int]string{}
	order := make([]string, draws)
	for i := range order {
		n := caller()
		token, ok := tokens[n]
		if !ok {
			var err error
			if token, err = w.token(n, n); err != nil {
				return nil, err
			}
			tokens[n] = token
		}
		order[i] = token
	}
	return w.inTurn(order)
}

// inTurn sends the tokens in turn. They are equally long, so that one message
// serves for all.
func (w *world) inTurn(tokens []string) (func() []byte, error) {
	message, err := w.message(question{path: "/v1/orders?page=2", authorization: "Bearer " + tokens[0]})
	if err != nil {
		return nil, err
	}
	at := bytes.Index(message, []byte(tokens[0]))
	if at < 0 {
		return nil, errors.New("the message does not hold the token")
	}
	i := 0
	return func() []byte {
		copy(message[at:], tokens[i%len(tokens)])
		i++
		return message
	}, nil
}

// oneCaller has one token.
func oneCaller(w *world) (func() []byte, error) { return bearer(w, 1, func() int { return 0 }) }

// freshCallers show so many tokens in turn, each of another caller. Between two
// uses of one lie more than a cache of verified tokens holds.
func freshCallers(tokens int) traffic {
	return func(w *world) (func() []byte, error) {
		n := -1
		return bearer(w, tokens, func() int { n++; return n })
	}
}

// zipfCallers are so many callers, of whom a few ask often and most seldom: the
// one of rank k asks in proportion to 1/(k+1)^1.1. The draws repeat, and the
// callers that occur in them fit a cache of verified tokens.
func zipfCallers(callers, draws int) traffic {
	return func(w *world) (func() []byte, error) {
		zipf := rand.NewZipf(rand.New(rand.NewPCG(3, 4)), 1.1, 1, uint64(callers-1))
		return bearer(w, draws, func() int { return int(zipf.Uint64()) })
	}
}

// everybody is callers of whom each asks once. A filter before ext_authz has
// verified them, so that a million of them cost the generator nothing.
func everybody(w *world) (func() []byte, error) {
	message, err := w.message(question{path: "/edge/orders", claims: callerClaims(0)})
	if err != nil {
		return nil, err
	}
	zero := []byte(callerID(0))
	i := 0
	return func() []byte {
		id := callerID(i)
		for rest := message; ; {
			at := bytes.Index(rest, zero)
			if at < 0 {
				break
			}
			copy(rest[at:], id)
			rest = rest[at+len(id):]
		}
		copy(zero, id)
		i++
		return message
	}, nil
}
