//go:build linux

package main

import (
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{9, 1, 2}, spread{2, 1, 9}},
		{[]float64{4, 1, 2, 9}, spread{3, 1, 9}},
	} {
		if got := spreadOf(test.values); got != test.want {
			t.Errorf("%v: %v, want %v", test.values, got, test.want)
		}
	}
}

// A ratio is of two figures of one round, and the median of the ratios decides.
func TestTargets(t *testing.T) {
	r := &result{Contenders: []contenderResult{
		{Name: "floor", Rounds: []figures{{CPU: 10, Rate: 100}, {CPU: 20, Rate: 50}, {CPU: 10, Rate: 100}}},
		{Name: "subject", Rounds: []figures{{CPU: 5, Rate: 150, RSS: 7}, {CPU: 12, Rate: 50, RSS: 8}, {CPU: 3, Rate: 140, RSS: 9}}},
	}}
	r.compare([]target{
		{metric: cpu, limit: 0.5}, {metric: cpu, limit: 0.4}, {metric: rate, limit: 1.4, atLeast: true}, {metric: rate, limit: 1.5, atLeast: true},
		{metric: rss, against: -1, limit: 8},
	})
	for i, want := range []struct {
		met    bool
		figure spread
	}{
		{true, spread{0.5, 0.3, 0.6}}, {false, spread{0.5, 0.3, 0.6}}, {true, spread{1.4, 1, 1.5}}, {false, spread{1.4, 1, 1.5}}, {true, spread{8, 7, 9}},
	} {
		if v := r.Verdicts[i]; v.Met != want.met || v.Figure != want.figure {
			t.Errorf("target %d: %+v, want %+v", i, v, want)
		}
	}
}

func TestWrkReport(t *testing.T) {
	const output = `Running 1s test @ http://127.0.0.1:33207/
  1 threads and 32 connections
  Latency Distribution
     50%  814.00us
     75%    1.05ms
     90%    1.10ms
     99%    9.44ms
  5572 requests in 1.00s, 2.39MB read
Requests/sec:   5565.63
Transfer/sec:      2.39MB
`
	got, err := parseWrk(output)
	if want := (wrkReport{5572, 5565.63, 814 * time.Microsecond, 9440 * time.Microsecond}); err != nil || *got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", output + "  Non-2xx or 3xx responses: 1\n"} {
		if _, err := parseWrk(bad); err == nil {
			t.Errorf("no error of %q", bad)
		}
	}
}
