// Package instrumentationmetrics shows the numbers of the middleware to
// Prometheus:
//
//	counted := instrumentationmetrics.New()
//	prometheus.MustRegister(counted)
//	record, err := instrumentation.NewMiddleware(instrumentation.WithMetrics(counted))
//
// It is a package of its own because Prometheus' client registers /debug/vars
// with http.DefaultServeMux, which recording must not do to a program that does
// not use Prometheus.
package instrumentationmetrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/counters"
)

// Collector is what [instrumentation.WithMetrics] takes, and a
// [prometheus.Collector]. Middlewares that are given the same one count together.
//
// [instrumentation.WithMetrics]: https://pkg.go.dev/github.com/adminsessions/adminsessions/instrumentation#WithMetrics
type Collector struct{ set *counters.Set }

// New returns a Collector of adminsessions_instrumentation_…. Every series is
// there from the start, at 0.
func New() *Collector { return &Collector{counters.New()} }

// Counters is what the middleware counts in.
func (c *Collector) Counters() *counters.Set {
	if c == nil {
		return nil
	}
	return c.set
}

// metric is one metric and how it is read: by the value of its label, or by "".
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*counters.Set) map[string]int64
}

func plain(kind prometheus.ValueType, name, help string, read func(*counters.Set) int64) metric {
	return metric{prometheus.NewDesc(prefix+name, help, nil, nil), kind, func(s *counters.Set) map[string]int64 {
		return map[string]int64{"": read(s)}
	}}
}

func by(label, name, help string, read func(*counters.Set) map[string]int64) metric {
	return metric{prometheus.NewDesc(prefix+name, help, []string{label}, nil), prometheus.CounterValue, read}
}

const prefix = "adminsessions_instrumentation_"

var metrics = []metric{
	by("type", "requests_total", "Admin requests that ended, by type.", func(s *counters.Set) map[string]int64 {
		return map[string]int64{string(adminsessions.Web): s.Web.Load(), string(adminsessions.API): s.API.Load()}
	}),
	by("type", "acts_total", "Acts without a request that ended, by type.",
		func(s *counters.Set) map[string]int64 { return s.Acts.Values() }),
	plain(prometheus.CounterValue, "requests_started_total", "Requests recorded before they ended, and acts.",
		func(s *counters.Set) int64 { return s.Started.Load() }),
	by("filter", "requests_filtered_total", "Requests left out of the record, by the filter that matched.",
		(*counters.Set).Filtered),
	plain(prometheus.CounterValue, "requests_refused_total", "Requests answered with 503 because their record could not be made safe in time (strict mode).",
		func(s *counters.Set) int64 { return s.Refused.Load() }),
	plain(prometheus.CounterValue, "panics_total", "Requests whose handler panicked.",
		func(s *counters.Set) int64 { return s.Panics.Load() }),
	plain(prometheus.CounterValue, "events_folded_total", "Anonymous requests that are counted in a folded record instead of having one of their own.",
		func(s *counters.Set) int64 { return s.Folded.Load() }),
	plain(prometheus.GaugeValue, "events_folded_pending", "Anonymous requests that have been counted and are not in a folded record yet.",
		func(s *counters.Set) int64 { return s.FoldedPending.Load() }),
	plain(prometheus.CounterValue, "fields_cut_total", "Fields of records that were cut to their limits.",
		func(s *counters.Set) int64 { return s.Cut.Load() }),
	by("reason", "record_failures_total", "Records lost between the middleware and the provider, by reason.",
		func(s *counters.Set) map[string]int64 { return s.Lost.Values() }),
	by("reason", "details_refused_total", "Details that did not get into their record, by reason.",
		func(s *counters.Set) map[string]int64 { return s.Details.Values() }),
}

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range metrics {
		ch <- m.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range metrics {
		for value, n := range m.read(c.set) {
			var labels []string
			if value != "" {
				labels = []string{value}
			}
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, float64(n), labels...)
		}
	}
}
