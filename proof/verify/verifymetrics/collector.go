// Package verifymetrics shows to Prometheus what a [verify.Verifier] finds:
//
//	prometheus.MustRegister(verifymetrics.New(verifier))
//
// It is a package of its own for the reason that package exportermetrics is one.
package verifymetrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/adminsessions/adminsessions/proof/verify"
)

// New returns the collector of a verifier's metrics, adminsessions_verify_…. Every
// series is there from the start, at 0.
func New(v *verify.Verifier) prometheus.Collector { return collector{v.Status} }

type collector struct{ status func() verify.Status }

// The metrics. Times are 0 before there is one.
var (
	runs = prometheus.NewDesc("adminsessions_verify_runs_total",
		"Verifications of the trail by result: good, finding (something is missing or altered), unknown (too little could be judged), error (the trail could not be read).", []string{"result"}, nil)
	upTo = prometheus.NewDesc("adminsessions_verify_up_to_timestamp_seconds",
		"Time up to which the trail is proved complete and unaltered.", nil, nil)
	last = prometheus.NewDesc("adminsessions_verify_last_run_timestamp_seconds",
		"When the last verification ended that could read the trail.", nil, nil)
	took = prometheus.NewDesc("adminsessions_verify_duration_seconds",
		"How long it took.", nil, nil)
	complete = prometheus.NewDesc("adminsessions_verify_complete",
		"1 if by the last verification every event is there, declared missing, erased on record or accepted; else 0.", nil, nil)
	unaltered = prometheus.NewDesc("adminsessions_verify_unaltered",
		"1 if by the last verification every event is as it was stored, or accepted as it is; else 0.", nil, nil)
	findings = prometheus.NewDesc("adminsessions_verify_findings",
		"Events by what the last verification has found of them.", []string{"kind"}, nil)
	logs = prometheus.NewDesc("adminsessions_verify_logs",
		"Logs that the last verification was about.", nil, nil)
)

func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{runs, upTo, last, took, complete, unaltered, findings, logs} {
		ch <- d
	}
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, r := range verify.Results() {
		ch <- prometheus.MustNewConstMetric(runs, prometheus.CounterValue, float64(s.Runs[r]), r)
	}
	r := s.Report
	if r == nil {
		r = &verify.Report{}
	}
	seconds := func(nanos int64, zero bool) float64 {
		if zero {
			return 0
		}
		return float64(nanos) / 1e9
	}
	gauge(upTo, seconds(s.UpTo.UnixNano(), s.UpTo.IsZero()))
	gauge(last, seconds(s.Last.UnixNano(), s.Last.IsZero()))
	gauge(took, s.Took.Seconds())
	gauge(complete, truth(r.Complete))
	gauge(unaltered, truth(r.Unaltered))
	n := r.Findings()
	for _, kind := range verify.Kinds() {
		gauge(findings, float64(n[kind]), kind)
	}
	gauge(logs, float64(len(r.Logs)))
}

func truth(v verify.Verdict) float64 {
	if v.Good() {
		return 1
	}
	return 0
}
