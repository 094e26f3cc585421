package proxy

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the proxy's own numbers; the middleware, the exporter and the spool
// have theirs.
type metrics struct {
	headersRefused prometheus.Counter
	tokensRefused  prometheus.Counter
	lookups        *prometheus.CounterVec
	unanswered     *prometheus.CounterVec
	misdirected    prometheus.Counter
	ingested       *prometheus.CounterVec
	reloads        *prometheus.CounterVec
	reloaded       prometheus.Gauge
}

// Outcomes of reloads, and of events that were handed in.
const (
	reloadDone    = "done"
	reloadRefused = "refused"

	ingestAccepted = "accepted"
	ingestRefused  = "refused"
	ingestResent   = "resent" // stored already
	ingestFailed   = "failed"
)

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	vector := func(name, help, label string, values ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
		for _, value := range values {
			v.WithLabelValues(value)
		}
		return v
	}
	m := &metrics{
		headersRefused: counter("adminsessions_proxy_headers_refused_total", "X-Audit headers of panels that were not understood; what stood in them is in the record."),
		tokensRefused:  counter("adminsessions_proxy_tokens_refused_total", "Tokens (JWT) that did not prove who sent a request."),
		lookups:        vector("adminsessions_proxy_lookups_total", "Questions to panels who is signed in, by result.", "result", lookupResults()...),
		unanswered:     vector("adminsessions_proxy_unanswered_total", "Requests that a panel did not answer, by why.", "reason", errorUnreachable, errorTimeout),
		misdirected:    counter("adminsessions_proxy_misdirected_total", "Requests for a host or a path that no panel is configured for."),
		ingested:       vector("adminsessions_proxy_ingested_events_total", "Events that others have handed in, by outcome.", "outcome", ingestAccepted, ingestResent, ingestRefused, ingestFailed),
		reloads:        vector("adminsessions_proxy_reloads_total", "Attempts to read the configuration anew, by outcome.", "outcome", reloadDone, reloadRefused),
		reloaded:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "adminsessions_proxy_config_time_seconds", Help: "When the configuration in use was read, in Unix seconds."}),
	}
	m.reloaded.Set(float64(time.Now().Unix()))
	reg.MustRegister(m.headersRefused, m.tokensRefused, m.lookups, m.unanswered, m.misdirected, m.ingested, m.reloads, m.reloaded)
	return m
}
