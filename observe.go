package privyseal

import (
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"privyseal/authz"
	"privyseal/keys"
)

// metrics are the figures of a service. No label holds anything that a caller
// chooses.
type metrics struct {
	registry      *prometheus.Registry
	checks        *prometheus.CounterVec
	wouldDeny     *prometheus.CounterVec
	duration      *prometheus.HistogramVec
	groupsDropped prometheus.Counter
	unrecorded    prometheus.Counter
	reloadOK      prometheus.Gauge
	reloadTime    prometheus.Gauge
}

func newMetrics(s *Service) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "privyseal_checks_total", Help: "Checks answered, by outcome and reason.",
		}, []string{"outcome", "reason"}),
		wouldDeny: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "privyseal_would_deny_total", Help: "Requests let through by a rule in report mode which its allow clauses refuse.",
		}, []string{"rule", "reason"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "privyseal_check_duration_seconds", Help: "Time from a check's arrival to its decision.",
			Buckets: []float64{10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1},
		}, []string{"outcome"}),
		groupsDropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "privyseal_assertions_without_groups_total", Help: "Assertions sent without groups because they were over max_bytes.",
		}),
		unrecorded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "privyseal_decision_records_dropped_total", Help: "Records of denials for which there was no room. Grants are refused instead.",
		}),
		reloadOK: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "privyseal_config_last_reload_successful", Help: "1 if the last reload was applied, 0 if the state before it is in force.",
		}),
		reloadTime: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "privyseal_config_last_reload_success_timestamp_seconds", Help: "When the configuration in force was loaded.",
		}),
	}
	m.reloaded(nil, s.options.Now())
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "privyseal_build_info", Help: "1, with the version.",
		ConstLabels: prometheus.Labels{"version": Version(), "go_version": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.checks, m.wouldDeny, m.duration, m.groupsDropped, m.unrecorded, m.reloadOK, m.reloadTime, build, keyMetrics{s},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) reloaded(err error, now time.Time) {
	if err != nil {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadTime.Set(float64(now.Unix()))
}

// observe keeps one decision: a line in the log, a count, a duration. It reports
// whether the line will be written; without one, a grant is not given, and so
// not counted.
func (s *Service) observe(rec authz.Record) (kept bool) {
	if kept = s.recorder.keep(&rec); !kept && rec.Outcome == authz.Allow {
		return false
	}
	figure := s.figures.of(counted{rec.Outcome, rec.Reason})
	figure.checks.Inc()
	figure.duration.Observe(rec.Took.Seconds())
	if rec.WouldDeny != "" {
		s.metrics.wouldDeny.WithLabelValues(rec.Rule, string(rec.WouldDeny)).Inc()
	}
	if rec.GroupsDropped > 0 {
		s.metrics.groupsDropped.Inc()
	}
	return kept
}

func level(rec *authz.Record) slog.Level {
	switch {
	case rec.Status >= 500:
		return slog.LevelError
	case rec.GroupsDropped > 0, rec.WouldDeny != "":
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// attributes appends the fields of a decision's log line. Empty ones are left
// out.
func attributes(list []slog.Attr, rec *authz.Record) []slog.Attr {
	text := func(name, value string) {
		if value != "" {
			list = append(list, slog.String(name, value))
		}
	}
	text("decision_id", rec.ID)
	text("outcome", string(rec.Outcome))
	text("reason", string(rec.Reason))
	text("detail", rec.Detail)
	text("cause", rec.Cause)
	text("would_deny", string(rec.WouldDeny))
	text("would_deny_detail", rec.WouldDenyDetail)
	if rec.Status != 0 {
		list = append(list, slog.Int("status", rec.Status))
	}
	text("rule", rec.Rule)
	text("pattern", rec.Pattern)
	text("method", rec.Method)
	text("host", rec.Host)
	if rec.Client.IsValid() {
		list = append(list, slog.String("client", rec.Client.String()))
	}
	text("request_id", rec.Request)
	text("source", rec.Source)
	text("issuer", rec.Issuer)
	text("subject", rec.Subject)
	text("audience", rec.Audience)
	text("kid", rec.KeyID)
	text("jti", rec.JWTID)
	if rec.Bytes != 0 {
		list = append(list, slog.Int("bytes", rec.Bytes), slog.Time("expires", rec.Expires.UTC()))
	}
	if rec.GroupsDropped != 0 {
		list = append(list, slog.Int("groups_dropped", rec.GroupsDropped))
	}
	micros := func(name string, d time.Duration) {
		if d != 0 {
			list = append(list, slog.Int64(name, d.Microseconds()))
		}
	}
	micros("took_us", rec.Took)
	micros("authenticate_us", rec.Authenticating)
	micros("judge_us", rec.Judging)
	micros("sign_us", rec.Signing)
	return list
}

// keyMetrics collects the state of keys when it is asked for.
type keyMetrics struct{ *Service }

var (
	keyInfo = prometheus.NewDesc("privyseal_signing_key_info",
		"1 for each published or signing key.", []string{"kid", "alg", "state", "ephemeral"}, nil)
	jwksInfo = prometheus.NewDesc("privyseal_jwks_info",
		"1, with the digest of the published key set: replicas must agree.", []string{"sha256"}, nil)
	keyTooNew = prometheus.NewDesc("privyseal_signing_key_missing_publication_seconds",
		"How long the signing key should still have been published before it signed.", nil, nil)
	keySince = prometheus.NewDesc("privyseal_signing_key_since_timestamp_seconds",
		"When the signing key began to sign.", nil, nil)
	keyNext = prometheus.NewDesc("privyseal_keyring_next_activation_timestamp_seconds",
		"When the next key begins to sign; 0: there is none.", nil, nil)
	keyringGeneration = prometheus.NewDesc("privyseal_keyring_generation",
		"Generation of the keyring in use: replicas must agree.", nil, nil)
	keyringConfirmed = prometheus.NewDesc("privyseal_keyring_read_timestamp_seconds",
		"When the store was last known to hold the keyring in use; 0 is never.", nil, nil)
	keyringFit = prometheus.NewDesc("privyseal_keyring_publish_until_timestamp_seconds",
		"When this replica leaves service if it cannot read the store; 0: it is not in service.", nil, nil)
	keyringSkew = prometheus.NewDesc("privyseal_keyring_clock_skew_seconds",
		"This clock minus the store's.", nil, nil)
	keyringErrors = prometheus.NewDesc("privyseal_keyring_errors_total",
		"Times the keyring could not be read, believed, planned or written.", nil, nil)
	keyringLost = prometheus.NewDesc("privyseal_keyring_rollbacks_total",
		"Times the store held an older keyring than before, or none, and it was written again.", nil, nil)
	issuerKeyCount = prometheus.NewDesc("privyseal_issuer_keys",
		"Usable keys of a token source.", []string{"source"}, nil)
	issuerAge = prometheus.NewDesc("privyseal_issuer_keys_fetched_timestamp_seconds",
		"When the keys of a token source were last fetched; 0 is never.", []string{"source"}, nil)
)

// Describe implements [prometheus.Collector].
func (keyMetrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{keyInfo, jwksInfo, keyTooNew, keySince, keyNext, keyringGeneration, keyringConfirmed,
		keyringFit, keyringSkew, keyringErrors, keyringLost, issuerKeyCount, issuerAge} {
		c <- d
	}
}

// Collect implements [prometheus.Collector].
func (m keyMetrics) Collect(c chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	status := m.keyStatus()
	for _, key := range status.Keys {
		gauge(keyInfo, 1, key.KeyID, key.Algorithm, string(key.State), ephemeral(status))
		if key.State == keys.StateSigning {
			gauge(keySince, seconds(key.SigningSince))
		}
	}
	if status.Store != nil {
		m.collectKeyring(c, status)
	}
	gauge(jwksInfo, 1, status.JWKSDigest)
	gauge(keyTooNew, status.MissingPublication.Seconds())
	for source, keys := range m.current.Load().issuerKeySets() {
		set := keys.Status()
		gauge(issuerKeyCount, float64(set.Keys), source)
		gauge(issuerAge, seconds(set.LastSuccess), source)
	}
}

// collectKeyring collects the state of a ring that replicas share.
func (keyMetrics) collectKeyring(c chan<- prometheus.Metric, status keys.Status) {
	store := status.Store
	var next time.Time
	for _, key := range status.Keys {
		if key.State == keys.StateNext {
			next = key.ActivateAt
		}
	}
	for d, v := range map[*prometheus.Desc]float64{
		keyNext: seconds(next), keyringGeneration: float64(store.Generation), keyringConfirmed: seconds(store.Confirmed),
		keyringFit: seconds(store.PublishUntil), keyringSkew: store.Skew.Seconds(),
	} {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	c <- prometheus.MustNewConstMetric(keyringErrors, prometheus.CounterValue, float64(store.Errors))
	c <- prometheus.MustNewConstMetric(keyringLost, prometheus.CounterValue, float64(store.Rollbacks))
}

// seconds is a time as Prometheus has it; 0 is never.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func ephemeral(s keys.Status) string {
	if s.Ephemeral {
		return "true"
	}
	return "false"
}
