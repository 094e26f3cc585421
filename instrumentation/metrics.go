package instrumentation

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/adminsessions/adminsessions"
)

// Reasons for which a record is lost, the values of the label reason of
// adminsessions_instrumentation_record_failures_total.
const (
	failureSink     = "sink"     // the Sink answered with an error
	failurePanic    = "panic"    // the Sink, or the provider, panicked
	failureDisabled = "disabled" // no provider takes the records
)

// Reasons for which a detail is missing from a record.
const (
	detailLate    = "late"     // given after the request had ended
	detailKey     = "key"      // an attribute's key is empty, too long or not free
	detailTooMany = "too_many" // more than MaxAttributes
	detailForm    = "form"     // a form could not be read, or not whole
	detailPanic   = "panic"    // working it out panicked
)

// metrics are the middleware's counters. Every series exists from the start.
type metrics struct {
	web, api        prometheus.Counter
	filtered        []prometheus.Counter // one for each filter, in order
	failures        *prometheus.CounterVec
	lost            map[string]prometheus.Counter
	refused         prometheus.Counter
	cut             prometheus.Counter
	panics          prometheus.Counter
	started         prometheus.Counter
	folded          prometheus.Counter
	foldedPending   prometheus.Gauge
	detailsRefused  *prometheus.CounterVec
	refusedByReason map[string]prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, filters []namedFilter) (*metrics, error) {
	const prefix = "adminsessions_instrumentation_"
	var errs []error
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
		v, err := registered(reg, v)
		errs = append(errs, err)
		return v
	}
	requests := vec("requests_total", "Admin requests that ended, by type.", "type")
	filtered := vec("requests_filtered_total", "Requests left out of the record, by the filter that matched.", "filter")
	m := &metrics{
		web:            requests.WithLabelValues(string(adminsessions.Web)),
		api:            requests.WithLabelValues(string(adminsessions.API)),
		started:        vec("requests_started_total", "Requests recorded before they ended.").WithLabelValues(),
		refused:        vec("requests_refused_total", "Requests answered with 503 because their record could not be made safe in time (strict mode).").WithLabelValues(),
		panics:         vec("panics_total", "Requests whose handler panicked.").WithLabelValues(),
		folded:         vec("events_folded_total", "Anonymous requests that are counted in a folded record instead of having one of their own.").WithLabelValues(),
		cut:            vec("fields_cut_total", "Fields of records that were cut to their limits.").WithLabelValues(),
		failures:       vec("record_failures_total", "Records lost between the middleware and the provider, by reason.", "reason"),
		detailsRefused: vec("details_refused_total", "Details that did not get into their record, by reason.", "reason"),
	}
	for _, f := range filters {
		m.filtered = append(m.filtered, filtered.WithLabelValues(f.name))
	}
	pending, err := registered(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + "events_folded_pending",
		Help: "Anonymous requests that have been counted and are not in a folded record yet."}, nil))
	errs = append(errs, err)
	m.foldedPending = pending.WithLabelValues()
	m.lost = preset(m.failures, failureSink, failurePanic, failureDisabled)
	m.refusedByReason = preset(m.detailsRefused, detailLate, detailKey, detailTooMany, detailForm, detailPanic)
	return m, errors.Join(errs...)
}

func preset(v *prometheus.CounterVec, values ...string) map[string]prometheus.Counter {
	m := make(map[string]prometheus.Counter, len(values))
	for _, value := range values {
		m[value] = v.WithLabelValues(value)
	}
	return m
}

// registered registers v, or returns the vector that another middleware of the
// same program has registered already: they count together.
func registered[V prometheus.Collector](reg prometheus.Registerer, v V) (V, error) {
	if reg == nil {
		return v, nil
	}
	err := reg.Register(v)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := already.ExistingCollector.(V); ok {
			return existing, nil
		}
	}
	return v, err
}

func (m *metrics) request(t adminsessions.Type) {
	if t == adminsessions.API {
		m.api.Inc()
	} else {
		m.web.Inc()
	}
}
