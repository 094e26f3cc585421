package exporter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/adminsessions/adminsessions/internal/spool"
)

// Reasons for which an event ends up in quarantine, the values of the label
// "reason".
const (
	quarantineRefused   = "refused"   // Loki answered 4xx to it alone
	quarantineTooLarge  = "too_large" // Loki takes no message of its size
	quarantineMalformed = "malformed" // the spooled record can't be read
)

var quarantineReasons = []string{quarantineRefused, quarantineTooLarge, quarantineMalformed}

// metrics of the pipeline. Every series exists from the start, at 0.
type metrics struct {
	accepted    prometheus.Counter
	delivered   prometheus.Counter
	dropped     *prometheus.CounterVec // reason
	quarantined *prometheus.CounterVec // reason
	truncated   prometheus.Counter
	bytes       prometheus.Counter
	batches     prometheus.Counter
	retries     *prometheus.CounterVec // status
	splits      prometheus.Counter
	// linesRefused counts lines alone, the copies WithLines makes.
	linesRefused prometheus.Counter
	push         prometheus.Histogram
	delay        prometheus.Histogram
	lastSuccess  prometheus.Gauge
	up           prometheus.Gauge

	damage         *prometheus.CounterVec // reason
	damagedRecords prometheus.Counter
	damagedBytes   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	vec := func(name, help, label string, values []string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
		for _, value := range values {
			v.WithLabelValues(value)
		}
		return v
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: buckets,
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &metrics{
		accepted:     counter("adminsessions_exporter_events_accepted_total", "Events written to the spool."),
		delivered:    counter("adminsessions_exporter_events_delivered_total", "Events that Loki has acknowledged."),
		dropped:      vec("adminsessions_exporter_events_dropped_total", "Events lost because the spool did not take them, by reason. Each leaves a gap in the sequence numbers.", "reason", reasons(spool.Reasons())),
		quarantined:  vec("adminsessions_exporter_events_quarantined_total", "Events set aside in the quarantine file because Loki refuses them, by reason.", "reason", quarantineReasons),
		truncated:    counter("adminsessions_exporter_events_truncated_total", "Events of which a part was cut to fit Loki's limits; the part is named in audit_truncated."),
		bytes:        counter("adminsessions_exporter_pushed_bytes_total", "Bytes acknowledged by Loki, compressed as sent."),
		batches:      counter("adminsessions_exporter_pushes_total", "Pushes acknowledged by Loki."),
		retries:      vec("adminsessions_exporter_push_failures_total", "Attempts to push that Loki did not acknowledge, by status; all are made again, whole or in parts.", "status", pushStatuses),
		splits:       counter("adminsessions_exporter_batch_splits_total", "Batches sent in parts because Loki refused the whole."),
		linesRefused: counter("adminsessions_exporter_lines_refused_total", "Lines (WithLines) that Loki refuses; their events are counted for themselves."),
		push:         histogram("adminsessions_exporter_push_duration_seconds", "Time of one attempt to push, from request to answer.", []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}),
		delay:        histogram("adminsessions_exporter_delivery_delay_seconds", "Time from an event to its acknowledgement by Loki, of the oldest event of each push.", []float64{.1, .25, .5, 1, 2, 5, 15, 60, 300, 3600, 21600, 86400}),
		lastSuccess:  gauge("adminsessions_exporter_last_success_timestamp_seconds", "When Loki last acknowledged a push, in Unix time; 0 before the first."),
		up:           gauge("adminsessions_exporter_loki_up", "1 if the last attempt to push was acknowledged or none was made, else 0."),

		damage:         vec("adminsessions_spool_damage_total", "Pieces of damage found in the spool's files, by reason.", "reason", reasons(spool.DamageReasons())),
		damagedRecords: counter("adminsessions_spool_damaged_records_total", "Records lost to damage of the spool's files."),
		damagedBytes:   counter("adminsessions_spool_damaged_bytes_total", "Bytes passed over in the spool's files because of damage."),
	}
	m.up.Set(1)
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.accepted, m.delivered, m.dropped, m.quarantined, m.truncated, m.bytes, m.batches, m.retries,
		m.splits, m.linesRefused, m.push, m.delay, m.lastSuccess, m.up, m.damage, m.damagedRecords, m.damagedBytes,
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func reasons[T ~string](list []T) []string {
	s := make([]string, len(list))
	for i, r := range list {
		s[i] = string(r)
	}
	return s
}

// spoolCollector reads the spool's state when it is scraped.
type spoolCollector struct {
	stats func() spool.Stats
}

var (
	backlogEvents = prometheus.NewDesc("adminsessions_exporter_backlog_events", "Events in the spool that Loki has not acknowledged.", nil, nil)
	backlogBytes  = prometheus.NewDesc("adminsessions_exporter_backlog_bytes", "Bytes of the spool that Loki has not acknowledged.", nil, nil)
	backlogAge    = prometheus.NewDesc("adminsessions_exporter_backlog_age_seconds", "Age of the oldest event that Loki has not acknowledged, 0 if there is none.", nil, nil)
	spoolSize     = prometheus.NewDesc("adminsessions_spool_size_bytes", "Bytes of the spool's files on disk.", nil, nil)
	spoolLimit    = prometheus.NewDesc("adminsessions_spool_limit_bytes", "The spool's size limit.", nil, nil)
	spoolFree     = prometheus.NewDesc("adminsessions_spool_disk_free_bytes", "Bytes free for the spool on its file system.", nil, nil)
	spoolSyncErrs = prometheus.NewDesc("adminsessions_spool_sync_failures_total", "Failed attempts to sync the spool to disk; events since the last sync may not survive a power cut.", nil, nil)
	spoolSequence = prometheus.NewDesc("adminsessions_spool_sequence_number", "The sequence number last given to an event.", nil, nil)
)

func (c *spoolCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{backlogEvents, backlogBytes, backlogAge, spoolSize, spoolLimit, spoolFree, spoolSyncErrs, spoolSequence} {
		ch <- d
	}
}

func (c *spoolCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64) {
		ch <- prometheus.MustNewConstMetric(d, t, v)
	}
	send(backlogEvents, prometheus.GaugeValue, float64(s.BacklogEvents))
	send(backlogBytes, prometheus.GaugeValue, float64(s.BacklogBytes))
	send(backlogAge, prometheus.GaugeValue, s.OldestAge.Seconds())
	send(spoolSize, prometheus.GaugeValue, float64(s.DiskBytes))
	send(spoolLimit, prometheus.GaugeValue, float64(s.MaxBytes))
	send(spoolFree, prometheus.GaugeValue, float64(s.FreeBytes))
	send(spoolSyncErrs, prometheus.CounterValue, float64(s.SyncErrors))
	send(spoolSequence, prometheus.GaugeValue, float64(s.NextSeq-1))
}
