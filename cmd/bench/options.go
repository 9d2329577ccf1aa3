//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	scenario                               *regexp.Regexp
	rounds, streams, callers, tokens, warm int
	duration                               time.Duration
	mapHeaders                             bool
	output, document, from                 string
	profile, binary, envoy                 string
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	names := make([]string, 0, 16)
	for _, s := range scenarios(o) {
		names = append(names, s.name)
	}
	expression := flags.String("scenario", "", "measure those whose name fits the `expression`, of "+strings.Join(names, ", "))
	flags.IntVar(&o.rounds, "rounds", 5, "turns of each contender")
	flags.DurationVar(&o.duration, "duration", 1500*time.Millisecond, "length of a turn, for each of the two loops")
	flags.IntVar(&o.warm, "warm", 3000, "requests to each contender before anything is measured, at least")
	flags.IntVar(&o.streams, "streams", 32, "requests open at once in the closed loop")
	flags.IntVar(&o.tokens, "tokens", 1<<16, "tokens to make for the scenario fresh, and half as many draws of those with identities; 700 bytes and some 20 µs each")
	flags.BoolVar(&o.mapHeaders, "map-headers", false, "ask as Envoy does without encode_raw_headers")
	flags.IntVar(&o.callers, "identities", 1000000, "identities of the scenario memory")
	flags.StringVar(&o.output, "o", "text", "`form` of the results: text, json or markdown, which goes into -document")
	flags.StringVar(&o.document, "document", "docs/performance.md", "the `file` that has a place for the tables; the picture goes beside it")
	flags.StringVar(&o.from, "from", "", "measure nothing: take the results from a `file` that -o json wrote")
	flags.StringVar(&o.profile, "profile", "", "measure the subjects only and put CPU and heap profiles of each into a `folder`")
	flags.StringVar(&o.binary, "binary", "bin/privyseal", "the `file` to measure; make build makes it")
	flags.StringVar(&o.envoy, "envoy", ".cache/envoy-1.40.0/envoy", "Envoy, a `file`")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	var err error
	o.scenario, err = regexp.Compile(*expression)
	switch {
	case err != nil:
		return nil, fmt.Errorf("-scenario: %v", err)
	case flags.NArg() > 0:
		return nil, fmt.Errorf("there are no arguments but flags; given: %q", flags.Args())
	case o.output != "text" && o.output != "json" && o.output != "markdown":
		return nil, errors.New("-o is none of text, json and markdown")
	case o.output == "markdown" && (*expression != "" || o.profile != ""):
		return nil, errors.New("-o markdown takes neither -scenario nor -profile: the page has the tables of all scenarios, without a profiler; use -o text")
	case o.rounds < 1 || o.rounds > 1000 || o.warm < 1 || o.duration < time.Millisecond || o.duration > time.Minute:
		return nil, errors.New("-rounds is not between 1 and 1000, -warm is less than 1, or -duration not between 1ms and 1m")
	case o.streams < 1 || o.streams > 1000 || o.callers < 1 || o.callers > 10000000 || o.tokens < 2 || o.tokens > 1000000:
		return nil, errors.New("-streams is not between 1 and 1000, -identities not between 1 and 10000000, or -tokens not between 2 and 1000000")
	}
	return o, nil
}

// report measures, or reads what was measured.
func (o *options) report(ctx context.Context, say func(string, ...any)) (*report, error) {
	if o.from == "" {
		return o.measure(ctx, say)
	}
	content, err := os.ReadFile(o.from)
	if err != nil {
		return nil, err
	}
	r := &report{}
	if err := json.Unmarshal(content, r); err != nil {
		return nil, fmt.Errorf("%s: %v", o.from, err)
	}
	return r, nil
}

func (o *options) measure(ctx context.Context, say func(string, ...any)) (*report, error) {
	if err := pinSelf(); err != nil {
		return nil, err
	}
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w, err := newWorld(dir, o.mapHeaders)
	if err != nil {
		return nil, err
	}
	r, err := o.describe(ctx, w)
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, world: w, say: say}
	for _, s := range scenarios(o) {
		if !o.scenario.MatchString(s.name) {
			continue
		}
		result, err := b.scenario(ctx, s)
		if err != nil {
			return nil, err
		}
		r.Results = append(r.Results, result)
	}
	if len(r.Results) == 0 {
		return nil, errors.New("no scenario has such a name: bench -h lists them")
	}
	return r, nil
}

// describe notes what was measured and where.
func (o *options) describe(ctx context.Context, w *world) (*report, error) {
	version, err := exec.CommandContext(ctx, o.binary, "version").Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %v; make build makes it", o.binary, err)
	}
	next, err := oneCaller(w)
	if err != nil {
		return nil, err
	}
	line, _, _ := strings.Cut(string(version), "\n")
	return &report{
		Time: time.Now().UTC().Truncate(time.Second), Version: line, Go: runtime.Version(), CPU: cpuModel(), CPUs: cpus(),
		Rounds: o.rounds, Duration: o.duration, Streams: o.streams, Message: len(next()) - messagePrefixBytes,
	}, nil
}

func cpuModel() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
