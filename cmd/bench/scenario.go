//go:build linux

package main

import (
	"fmt"
)

// scenario compares a subject with others under one kind of traffic.
type scenario struct {
	name  string
	title string
	// contenders take turns; the last one is the subject.
	contenders []contender
	targets    []target
	once       bool // one round is enough: nothing is compared
}

// contender is what takes a turn.
type contender struct {
	label   string // what tells it from another with the same system; "" for nothing
	system  system
	traffic traffic
	// warm is how many requests are sent before anything is measured: enough for
	// whatever a cache is to hold. 0 is what the flags say.
	warm int
	// through is the way to the system; "" is straight.
	through route
}

// route is a way to a system that is not straight.
type route string

const (
	throughEnvoy route = "Envoy"       // wrk asks Envoy, which asks the system
	envoyAlone   route = "Envoy alone" // wrk asks Envoy, which asks nobody
)

// target is what a scenario is to reach.
type target struct {
	metric  metric
	against int // index of the contender; -1: the figure itself counts
	limit   float64
	atLeast bool // else at most
}

// kept reports whether a figure is within the target.
func (t target) kept(figure float64) bool {
	if t.atLeast {
		return figure >= t.limit
	}
	return figure <= t.limit
}

// scenarios are all there are. Limits that are ratios are of two figures of one
// round.
func scenarios(o *options) []scenario {
	ten, thousands := configuration{rules: 10}, configuration{rules: 10000}
	reuse := configuration{rules: 10, reuse: true}
	fresh := freshCallers(o.tokens)
	ordinary, signing := floorSystem(false), floorSystem(true)
	return []scenario{
		{
			name: "floors", title: "The floor: always OK, and always OK with one ES256 signature",
			contenders: []contender{{system: ordinary, traffic: oneCaller}, {system: signing, traffic: oneCaller}},
		},
		{
			name: "public", title: "Public route",
			contenders: []contender{{system: ordinary, traffic: publicPage()}, {system: ten, traffic: publicPage()}},
			targets:    []target{{metric: cpu, limit: 0.40}, {metric: p99, limit: 1.2}},
		},
		{
			name: "reuse", title: "Cached JWT, assertion reused",
			contenders: []contender{{system: ordinary, traffic: oneCaller}, {system: reuse, traffic: oneCaller}},
			targets:    []target{{metric: cpu, limit: 0.45}, {metric: p99, limit: 1.2}},
		},
		{
			name: "cached", title: "Cached JWT, a signature each time",
			contenders: []contender{{system: ordinary, traffic: oneCaller}, {system: signing, traffic: oneCaller}, {system: ten, traffic: oneCaller}},
			targets:    []target{{metric: cpu, limit: 1.6}, {metric: cpu, against: 1, limit: 0.65}},
		},
		{
			name: "peer", title: "Client certificate, a signature each time",
			contenders: []contender{{system: ordinary, traffic: certified}, {system: signing, traffic: certified}, {system: ten, traffic: certified}},
			targets:    []target{{metric: cpu, limit: 1.6}, {metric: cpu, against: 1, limit: 0.65}},
		},
		{
			name: "fresh", title: "Fresh JWT each time: verified and signed",
			contenders: []contender{{system: ordinary, traffic: fresh}, {system: ten, traffic: fresh}},
			targets:    []target{{metric: cpu, limit: 4}},
		},
		{
			name: "rules", title: "10,000 rules, public route, the last rule fits",
			contenders: []contender{{system: ten, traffic: lastRule(ten)}, {system: thousands, traffic: lastRule(thousands)}},
			targets:    []target{{metric: cpu, limit: 1.15}},
		},
		identities("identities-1e3", 1000, o.tokens/2), identities("identities-1e6", 1000000, o.tokens/2),
		{
			name: "memory", title: fmt.Sprintf("%d identities seen, assertions kept for reuse", o.callers), once: true,
			contenders: []contender{{label: fmt.Sprintf("%d identities", o.callers), system: reuse, traffic: everybody, warm: o.callers}},
			targets:    []target{{metric: rss, against: -1, limit: 256}},
		},
		{
			name: "envoy", title: "Through one worker of Envoy, cached JWT, assertion reused",
			contenders: []contender{
				{system: ordinary, traffic: oneCaller, through: throughEnvoy},
				{system: ordinary, traffic: oneCaller, through: envoyAlone},
				{system: reuse, traffic: oneCaller, through: throughEnvoy},
			},
			targets: []target{{metric: rate, limit: 1.35, atLeast: true}},
		},
	}
}

func identities(name string, n, draws int) scenario {
	ten := configuration{rules: 10}
	return scenario{
		name: name, title: fmt.Sprintf("%d identities (Zipf) in place of 1, cached JWT, a signature each time", n),
		contenders: []contender{
			{label: "1 identity", system: ten, traffic: oneCaller},
			{label: fmt.Sprintf("%d identities", n), system: ten, traffic: zipfCallers(n, draws), warm: draws},
		},
		targets: []target{{metric: cpu, limit: 1.3}},
	}
}
