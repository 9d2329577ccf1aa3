//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// envoyConfig answers every request itself, so that what is measured is Envoy,
// what it asks, and nothing behind it.
var envoyConfig = template.Must(template.New("envoy").Parse(`admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: {{.Port}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: ok}}}]}]}
          http_filters:
          {{- if .Authz}}
          - name: envoy.filters.http.ext_authz
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              transport_api_version: V3
              encode_raw_headers: {{.RawHeaders}}
              grpc_service: {envoy_grpc: {cluster_name: authz}, timeout: 1s}
          {{- end}}
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  {{- if .Authz}}
  clusters:
  - name: authz
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment: {cluster_name: authz, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: {{.Authz}}}}}}]}]}
  {{- end}}
`))

// behindEnvoy is a server that wrk reaches through Envoy. Envoy and the server
// share a CPU, wrk has the other: more requests per second are CPU time that the
// server left to Envoy.
type behindEnvoy struct {
	options *options
	server  *process // nil: Envoy asks nobody
	envoy   *process
	url     string
	token   string
}

func (b *bench) enterBehindEnvoy(ctx context.Context, c contender) (_ entrant, err error) {
	for _, needed := range []struct{ file, hint string }{
		{b.options.envoy, "name it with -envoy; `make examples` downloads one"}, {"wrk", "install it, such as Debian's package wrk"},
	} {
		if _, err := exec.LookPath(needed.file); err != nil {
			return nil, fmt.Errorf("%w here: there is no %s: %s", errNotOffered, needed.file, needed.hint)
		}
	}
	e := &behindEnvoy{options: b.options}
	defer func() {
		if err != nil {
			e.stop()
		}
	}()
	if e.token, err = b.world.token(0, 0); err != nil {
		return nil, err
	}
	authz := ""
	if c.through == throughEnvoy {
		if e.server, err = c.system.start(ctx, b); err != nil {
			return nil, err
		}
		address, err := e.server.address()
		if err != nil {
			return nil, err
		}
		_, authz, _ = net.SplitHostPort(address)
	}
	if err := e.startEnvoy(b.world, authz); err != nil {
		return nil, err
	}
	_, err = e.wrk(ctx, time.Second)
	return e, err
}

func (e *behindEnvoy) startEnvoy(w *world, authz string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	var config bytes.Buffer
	if err := envoyConfig.Execute(&config, struct {
		Port       int
		Authz      string
		RawHeaders bool
	}{port, authz, !w.mapHeaders}); err != nil {
		return err
	}
	name := fmt.Sprintf("envoy-%d.yaml", port)
	if err := w.write(name, config.Bytes()); err != nil {
		return err
	}
	e.url = fmt.Sprintf("http://127.0.0.1:%d/v1/orders?page=2", port)
	e.envoy, err = start("Envoy", serverCPU, exec.Command(e.options.envoy, "-c", w.path(name),
		"--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"))
	if err != nil {
		return err
	}
	return e.live()
}

// live waits until Envoy lets the request through.
func (e *behindEnvoy) live() error {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var last error
	for begin := time.Now(); time.Since(begin) < startWithin/3; time.Sleep(50 * time.Millisecond) {
		select {
		case <-e.envoy.done:
			return fmt.Errorf("the process of Envoy ended:\n%s", e.envoy.log)
		default:
		}
		if last = e.request(&client); last == nil {
			return nil
		}
	}
	return fmt.Errorf("through Envoy: %v; its log:\n%s", last, e.envoy.log)
}

func (e *behindEnvoy) request(client *http.Client) error {
	request, err := http.NewRequest(http.MethodGet, e.url, nil)
	if err != nil {
		return err
	}
	request.Host = host
	for _, h := range e.headers() {
		request.Header.Set(h[0], h[1])
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", answer.StatusCode, body)
	}
	return err
}

func (e *behindEnvoy) headers() [][2]string {
	return append(browserHeaders(), [2]string{"authorization", "Bearer " + e.token})
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// measure implements [entrant]: wrk's closed loop, whose latencies are those of
// an Envoy that can do no more.
func (e *behindEnvoy) measure(ctx context.Context) (f figures, err error) {
	before, err := e.cpu()
	if err != nil {
		return f, err
	}
	report, err := e.wrk(ctx, e.options.duration)
	if err != nil {
		return f, err
	}
	after, err := e.cpu()
	if err != nil {
		return f, err
	}
	f = report.figures()
	f.CPU = micros(after-before) / report.requests
	if e.server != nil {
		var resident int64
		resident, err = e.server.rss()
		f.RSS = float64(resident) / (1 << 20)
	}
	return f, err
}

// cpu is the server's CPU time; without a server it stands still.
func (e *behindEnvoy) cpu() (time.Duration, error) {
	if e.server == nil {
		return 0, nil
	}
	return e.server.cpu()
}

// wrkReport is what wrk says.
type wrkReport struct {
	requests, perSecond float64
	p50, p99            time.Duration
}

func (r *wrkReport) figures() figures {
	return figures{Rate: r.perSecond, P50: micros(r.p50), P99: micros(r.p99)}
}

// wrk runs wrk for whole seconds, which is all it can.
func (e *behindEnvoy) wrk(ctx context.Context, duration time.Duration) (*wrkReport, error) {
	args := []string{"-t1", "-c" + strconv.Itoa(e.options.streams), fmt.Sprintf("-d%ds", int(max(1, duration.Round(time.Second).Seconds()))), "--latency", "-H", "Host: " + host} // wrk adds its own unless it is spelled so
	for _, h := range e.headers() {
		args = append(args, "-H", h[0]+": "+h[1])
	}
	cmd := exec.CommandContext(ctx, "wrk", append(args, e.url)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	output, err := cmd.CombinedOutput() // inherits the client's CPU
	if err != nil {
		return nil, fmt.Errorf("wrk: %v: %s", err, output)
	}
	return parseWrk(string(output))
}

var wrkLines = map[string]*regexp.Regexp{
	"requests": regexp.MustCompile(`(?m)^\s*(\d+) requests in `),
	"rate":     regexp.MustCompile(`(?m)^Requests/sec:\s*([\d.]+)`),
	"p50":      regexp.MustCompile(`(?m)^\s*50%\s+(\S+)`),
	"p99":      regexp.MustCompile(`(?m)^\s*99%\s+(\S+)`),
}

func parseWrk(output string) (*wrkReport, error) {
	if strings.Contains(output, "Non-2xx") || strings.Contains(output, "Socket errors") {
		return nil, errors.New("wrk: not every request was let through:\n" + output)
	}
	found := map[string]string{}
	for name, line := range wrkLines {
		match := line.FindStringSubmatch(output)
		if match == nil {
			return nil, fmt.Errorf("wrk does not say %s:\n%s", name, output)
		}
		found[name] = match[1]
	}
	r := &wrkReport{}
	var errs [4]error
	r.requests, errs[0] = strconv.ParseFloat(found["requests"], 64)
	r.perSecond, errs[1] = strconv.ParseFloat(found["rate"], 64)
	r.p50, errs[2] = time.ParseDuration(found["p50"])
	r.p99, errs[3] = time.ParseDuration(found["p99"])
	return r, errors.Join(errs[:]...)
}

// stop implements [entrant].
func (e *behindEnvoy) stop() {
	for _, p := range []*process{e.envoy, e.server} {
		if p != nil {
			p.stop(5 * time.Second)
		}
	}
}
