package privyseal

import (
	"maps"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"privyseal/authz"
)

// figures are the children of the metrics of checks, kept by label so that a
// check neither hashes labels nor takes the metrics' lock. Labels are of closed
// sets, so there are few.
type figures struct {
	metrics *metrics
	known   atomic.Pointer[map[counted]figure]
}

// counted is what checks are counted by.
type counted struct {
	outcome authz.Outcome
	reason  authz.Reason
}

type figure struct {
	checks   prometheus.Counter
	duration prometheus.Observer
}

func newFigures(m *metrics) *figures {
	f := &figures{metrics: m}
	f.known.Store(&map[counted]figure{})
	return f
}

func (f *figures) of(k counted) figure {
	for {
		known := f.known.Load()
		if figure, ok := (*known)[k]; ok {
			return figure
		}
		more := maps.Clone(*known)
		more[k] = figure{
			f.metrics.checks.WithLabelValues(string(k.outcome), string(k.reason)),
			f.metrics.duration.WithLabelValues(string(k.outcome)),
		}
		f.known.CompareAndSwap(known, &more)
	}
}
