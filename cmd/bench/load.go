//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// drainWithin bounds how long answers are waited for when no more is asked.
const drainWithin = 10 * time.Second

// load is one run of the generator against one server.
type load struct {
	duration time.Duration
	// streams bounds the requests that are open at once.
	streams int
	// rate, in requests per second, makes the loop open: arrivals are a Poisson
	// process that does not wait for answers, and latency counts from the moment a
	// request was due. 0 is the closed loop: the next request is sent when one is
	// answered.
	rate float64
	// limit ends the run earlier, after so many requests; 0 is none.
	limit int
}

// sample is what came of a load.
type sample struct {
	count     int
	elapsed   time.Duration
	latencies []time.Duration // sorted
}

func (s *sample) perSecond() float64 { return float64(s.count) / s.elapsed.Seconds() }

// quantile returns the latency that the share q of the requests did not exceed.
func (s *sample) quantile(q float64) time.Duration {
	if len(s.latencies) == 0 {
		return 0
	}
	return s.latencies[min(len(s.latencies)-1, int(q*float64(len(s.latencies))))]
}

// generator is a load on its way. Everything happens on one thread, which waits
// in ppoll: no timer and no scheduler of ours lies between an answer and its
// time.
type generator struct {
	load
	*connection
	next    func() []byte // the next request, valid until the next call
	arrival *rand.Rand
	due     time.Duration // of the next request; all times are since begin
	begin   time.Time
	sent    map[uint32]time.Duration // by stream, when it was due
	sample  sample
}

// run loads the server at the other end of a connection.
func (l load) run(c *connection, next func() []byte) (*sample, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil { // nanosecond
		return nil, err
	}
	g := &generator{
		load: l, connection: c, next: next, sent: map[uint32]time.Duration{}, begin: time.Now(),
		arrival: rand.New(rand.NewPCG(1, 2)), // the same arrivals for every server
	}
	c.answered = g.took
	pending := next()
	for {
		now := time.Since(g.begin)
		asking := now < l.duration && (l.limit == 0 || g.sample.count+len(g.sent) < l.limit)
		for asking && g.mayAsk(now) && c.ready(pending) {
			g.ask(pending, now)
			pending = next()
			asking = l.limit == 0 || g.sample.count+len(g.sent) < l.limit
		}
		if err := c.write(); err != nil {
			return nil, err
		}
		if !asking && len(g.sent) == 0 {
			break
		}
		if now > l.duration+drainWithin {
			return nil, fmt.Errorf("%d requests were not answered within %v", len(g.sent), drainWithin)
		}
		if err := g.wait(now, asking); err != nil {
			return nil, err
		}
	}
	slices.Sort(g.sample.latencies)
	return &g.sample, nil
}

func (g *generator) mayAsk(now time.Duration) bool {
	return len(g.sent) < g.streams && (g.rate == 0 || g.due <= now)
}

func (g *generator) ask(message []byte, now time.Duration) {
	due := now
	if g.rate > 0 {
		due = g.due
		g.due += time.Duration(g.arrival.ExpFloat64() / g.rate * float64(time.Second))
	}
	g.sent[g.connection.ask(message)] = due
}

// took notes an answer.
func (g *generator) took(stream uint32) {
	now, due := time.Since(g.begin), g.sent[stream]
	delete(g.sent, stream)
	g.sample.count++
	g.sample.elapsed = now
	g.sample.latencies = append(g.sample.latencies, now-due)
}

// wait waits until the server has something for us, or takes something, or a
// request is due.
func (g *generator) wait(now time.Duration, asking bool) error {
	until := now + time.Second
	if asking {
		until = min(until, g.duration)
		if g.rate > 0 && len(g.sent) < g.streams {
			until = min(until, g.due)
		}
	}
	timeout := unix.NsecToTimespec(max(0, int64(until-time.Since(g.begin))))
	poll := []unix.PollFd{{Fd: int32(g.fd), Events: unix.POLLIN}}
	if len(g.out) > 0 {
		poll[0].Events |= unix.POLLOUT
	}
	if _, err := unix.Ppoll(poll, &timeout, nil); err != nil && err != unix.EINTR {
		return fmt.Errorf("waiting: %v", err)
	}
	if poll[0].Revents&^unix.POLLOUT != 0 {
		return g.read()
	}
	return nil
}
