//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// figures are what one round measures of one contender.
type figures struct {
	CPU  float64 `json:"cpu_us"`     // of the server per Check, in the closed loop
	Rate float64 `json:"per_second"` // in the closed loop: as much as it can do
	P50  float64 `json:"p50_us"`     // in the open loop at half that rate
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p999_us"`
	RSS  float64 `json:"rss_mib"`
}

// metric is one of the figures.
type metric string

const (
	cpu  metric = "CPU per Check"
	rate metric = "requests per second"
	p50  metric = "p50"
	p99  metric = "p99"
	p999 metric = "p99.9"
	rss  metric = "RSS in MiB"
)

func (m metric) of(f figures) float64 {
	return map[metric]float64{cpu: f.CPU, rate: f.Rate, p50: f.P50, p99: f.P99, p999: f.P999, rss: f.RSS}[m]
}

// bench is one run of the command.
type bench struct {
	options *options
	world   *world
	say     func(format string, args ...any)
	// profile is the prefix of the names of profiles of the scenario; "" is none.
	profile string
}

// self is this command as a child.
func (b *bench) self(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GO") }) // such as GOGC
	return cmd
}

// scenario measures one scenario: the contenders run side by side and take turns
// under load, so that whatever else happens on the machine happens to all.
func (b *bench) scenario(ctx context.Context, s scenario) (*result, error) {
	r := &result{Name: s.name, Title: s.title}
	if b.options.profile != "" {
		b.profile = filepath.Join(b.options.profile, s.name)
		s.contenders, s.targets = s.contenders[len(s.contenders)-1:], nil
	}
	var running []entrant
	defer func() {
		for _, e := range running {
			e.stop()
		}
	}()
	for _, c := range s.contenders {
		e, err := b.enter(ctx, c)
		if errors.Is(err, errNotOffered) {
			r.NotOffered = err.Error()
			return r, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		running = append(running, e)
		r.Contenders = append(r.Contenders, contenderResult{Name: c.title()})
	}
	rounds := b.options.rounds
	if s.once {
		rounds = 1
	}
	for round := range rounds {
		for i, e := range running {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			f, err := e.measure(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", s.name, r.Contenders[i].Name, err)
			}
			r.Contenders[i].Rounds = append(r.Contenders[i].Rounds, f)
			b.say("%s %d/%d: %s: %.1f µs CPU per Check, %.0f/s", s.name, round+1, rounds, r.Contenders[i].Name, f.CPU, f.Rate)
		}
	}
	r.compare(s.targets)
	return r, nil
}

// title is the name of a contender in tables.
func (c contender) title() string {
	switch {
	case c.through == envoyAlone:
		return "no ext_authz"
	case c.through == throughEnvoy:
		return c.system.name() + ", through Envoy"
	case c.label != "":
		return c.system.name() + ", " + c.label
	}
	return c.system.name()
}

// entrant is a contender that runs.
type entrant interface {
	measure(context.Context) (figures, error)
	stop()
}

// enter starts a contender and warms it up.
func (b *bench) enter(ctx context.Context, c contender) (entrant, error) {
	if c.through != "" {
		return b.enterBehindEnvoy(ctx, c)
	}
	next, err := c.traffic(b.world)
	if err != nil {
		return nil, err
	}
	p, err := c.system.start(ctx, b)
	if err != nil {
		return nil, err
	}
	d := &direct{options: b.options, process: p, next: next}
	if err := d.connect(max(c.warm, b.options.warm)); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

// direct is a server that the generator asks over a connection of its own.
type direct struct {
	options    *options
	process    *process
	connection *connection
	next       func() []byte
}

func (d *direct) connect(warm int) error {
	address, err := d.process.address()
	if err != nil {
		return err
	}
	if d.connection, err = dial(address); err != nil {
		return err
	}
	const within = 5 * time.Minute
	_, err = load{duration: within, streams: d.options.streams, limit: warm}.run(d.connection, d.next)
	if err != nil {
		return fmt.Errorf("%s: warming up: %v", d.process.name, err)
	}
	return nil
}

// measure implements [entrant]: the closed loop, then the open one at half the
// rate that the closed one reached.
func (d *direct) measure(context.Context) (f figures, err error) {
	before, err := d.process.cpu()
	if err != nil {
		return f, err
	}
	closed, err := load{duration: d.options.duration, streams: d.options.streams}.run(d.connection, d.next)
	if err != nil {
		return f, err
	}
	after, err := d.process.cpu()
	if err != nil {
		return f, err
	}
	open, err := load{duration: d.options.duration, streams: openStreams, rate: closed.perSecond() / 2}.run(d.connection, d.next)
	if err != nil {
		return f, err
	}
	resident, err := d.process.rss()
	return figures{
		CPU: micros(after-before) / float64(closed.count), Rate: closed.perSecond(),
		P50: micros(open.quantile(0.5)), P99: micros(open.quantile(0.99)), P999: micros(open.quantile(0.999)),
		RSS: float64(resident) / (1 << 20),
	}, err
}

// openStreams bounds the requests that wait for an answer in the open loop.
const openStreams = 10000

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// stop implements [entrant].
func (d *direct) stop() {
	if d.connection != nil {
		d.connection.close()
	}
	d.process.stop(5 * time.Second)
}
