// Package exportermetrics shows the numbers of an [exporter.Exporter] to
// Prometheus:
//
//	prometheus.MustRegister(exportermetrics.New(exp))
//
// It is a package of its own because Prometheus' client registers /debug/vars
// with http.DefaultServeMux, which an exporter of an audit trail must not do to a
// program that does not use Prometheus.
package exportermetrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/adminsessions/adminsessions/exporter"
)

// New returns the collector of an exporter's metrics, adminsessions_exporter_…
// and adminsessions_spool_…. Every series is there from the start, at 0.
func New(x *exporter.Exporter) prometheus.Collector { return &collector{x.Stats} }

type collector struct{ stats func() exporter.Stats }

// metric is one metric and how it is read.
type metric struct {
	desc *prometheus.Desc
	send func(d *prometheus.Desc, s *exporter.Stats, ch chan<- prometheus.Metric)
}

type reader = func(*exporter.Stats) float64

func counter(name, help string, read reader) metric {
	return value(prometheus.CounterValue, name, help, read)
}

func gauge(name, help string, read reader) metric {
	return value(prometheus.GaugeValue, name, help, read)
}

func value(t prometheus.ValueType, name, help string, read reader) metric {
	return metric{prometheus.NewDesc(name, help, nil, nil), func(d *prometheus.Desc, s *exporter.Stats, ch chan<- prometheus.Metric) {
		ch <- prometheus.MustNewConstMetric(d, t, read(s))
	}}
}

func by(label, name, help string, read func(*exporter.Stats) map[string]uint64) metric {
	return metric{prometheus.NewDesc(name, help, []string{label}, nil), func(d *prometheus.Desc, s *exporter.Stats, ch chan<- prometheus.Metric) {
		for v, n := range read(s) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), v)
		}
	}}
}

func byAnchor(t prometheus.ValueType, name, help string, read func(exporter.AnchorStats) float64) metric {
	return metric{prometheus.NewDesc(name, help, []string{"anchor"}, nil), func(d *prometheus.Desc, s *exporter.Stats, ch chan<- prometheus.Metric) {
		for anchor, a := range s.Proof.Anchors {
			ch <- prometheus.MustNewConstMetric(d, t, read(a), anchor)
		}
	}}
}

// seconds is a time in Unix seconds, 0 if there is none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func histogram(name, help string, read func(*exporter.Stats) exporter.Histogram) metric {
	return metric{prometheus.NewDesc(name, help, nil, nil), func(d *prometheus.Desc, s *exporter.Stats, ch chan<- prometheus.Metric) {
		h := read(s)
		ch <- prometheus.MustNewConstHistogram(d, h.Count, h.Sum.Seconds(), h.Buckets)
	}}
}

var metrics = []metric{
	counter("adminsessions_exporter_events_accepted_total", "Events written to the spool.",
		func(s *exporter.Stats) float64 { return float64(s.Accepted) }),
	counter("adminsessions_exporter_events_truncated_total", "Events of which a part was cut to its limit; the part is named in cut=.",
		func(s *exporter.Stats) float64 { return float64(s.Cut) }),
	by("reason", "adminsessions_exporter_events_dropped_total", "Events lost because the spool did not take them, by reason. Each leaves a gap in the sequence numbers, but for reserved and closed.",
		func(s *exporter.Stats) map[string]uint64 { return s.Dropped }),
	counter("adminsessions_exporter_events_delivered_total", "Events that Loki has acknowledged.",
		func(s *exporter.Stats) float64 { return float64(s.Delivered) }),
	counter("adminsessions_exporter_events_retimed_total", "Events given another time than the spool's, so that Loki takes them; their own is in at=.",
		func(s *exporter.Stats) float64 { return float64(s.Retimed) }),
	by("reason", "adminsessions_exporter_events_quarantined_total", "Events set aside in the quarantine file because Loki refuses them, by reason.",
		func(s *exporter.Stats) map[string]uint64 { return s.Quarantined }),
	by("outcome", "adminsessions_exporter_events_retried_total", "Events from quarantine that were pushed again, by outcome.",
		func(s *exporter.Stats) map[string]uint64 { return s.Retried }),
	by("action", "adminsessions_exporter_trail_events_total", "The trail's own events written to the spool, by action. They are among the accepted ones.",
		func(s *exporter.Stats) map[string]uint64 { return s.Trail }),

	counter("adminsessions_exporter_pushes_total", "Pushes acknowledged by Loki.",
		func(s *exporter.Stats) float64 { return float64(s.Pushes) }),
	counter("adminsessions_exporter_pushed_bytes_total", "Bytes acknowledged by Loki, compressed as sent.",
		func(s *exporter.Stats) float64 { return float64(s.PushedBytes) }),
	by("status", "adminsessions_exporter_push_failures_total", "Attempts to push that Loki did not acknowledge, by status; all are made again, whole or in parts.",
		func(s *exporter.Stats) map[string]uint64 { return s.PushFailures }),
	counter("adminsessions_exporter_batch_splits_total", "Pushes sent again in parts because Loki refused the whole.",
		func(s *exporter.Stats) float64 { return float64(s.Splits) }),
	histogram("adminsessions_exporter_push_duration_seconds", "Time of one attempt to push, from request to answer.",
		func(s *exporter.Stats) exporter.Histogram { return s.PushDuration }),
	histogram("adminsessions_exporter_delivery_delay_seconds", "Time from an event to its acknowledgement by Loki, of the oldest event of each push.",
		func(s *exporter.Stats) exporter.Histogram { return s.Delay }),
	gauge("adminsessions_exporter_last_success_timestamp_seconds", "When Loki last acknowledged a push, in Unix time; 0 before the first.",
		func(s *exporter.Stats) float64 { return seconds(s.LastSuccess) }),
	gauge("adminsessions_exporter_loki_up", "1 if the last attempt to push was acknowledged or none was made, else 0.",
		func(s *exporter.Stats) float64 {
			if s.LokiUp {
				return 1
			}
			return 0
		}),
	gauge("adminsessions_exporter_clock_skew_seconds", "By how much this machine's clock is ahead of Loki's, by the last answer; negative if it is behind.",
		func(s *exporter.Stats) float64 { return s.ClockSkew.Seconds() }),

	gauge("adminsessions_exporter_proof_on", "1 if there is a key that signs checkpoints, else 0.",
		func(s *exporter.Stats) float64 {
			if s.Proof.On {
				return 1
			}
			return 0
		}),
	counter("adminsessions_exporter_checkpoints_signed_total", "Checkpoints signed and written into the trail.",
		func(s *exporter.Stats) float64 { return float64(s.Proof.Checkpoints) }),
	counter("adminsessions_exporter_checkpoint_failures_total", "Attempts to sign a checkpoint that failed; they are made again.",
		func(s *exporter.Stats) float64 { return float64(s.Proof.Failures) }),
	gauge("adminsessions_exporter_checkpoint_size", "How many events the last checkpoint is about: those from number 1 to this.",
		func(s *exporter.Stats) float64 { return float64(s.Proof.Size) }),
	gauge("adminsessions_exporter_checkpoint_timestamp_seconds", "When the last checkpoint was written into the trail, in Unix time; 0 before the first.",
		func(s *exporter.Stats) float64 { return seconds(s.Proof.LastCheckpoint) }),
	by("reason", "adminsessions_exporter_logs_lost_total", "Logs that ended where nobody has ended them: copied, set_back (restored from a backup), vanished (the spool was removed).",
		func(s *exporter.Stats) map[string]uint64 { return s.Proof.LogsLost }),
	byAnchor(prometheus.CounterValue, "adminsessions_exporter_anchored_total", "Checkpoints brought to an anchor.",
		func(s exporter.AnchorStats) float64 { return float64(s.Anchored) }),
	byAnchor(prometheus.CounterValue, "adminsessions_exporter_anchor_failures_total", "Attempts to bring a checkpoint to an anchor that failed; they are made again.",
		func(s exporter.AnchorStats) float64 { return float64(s.Failures) }),
	byAnchor(prometheus.CounterValue, "adminsessions_exporter_anchor_dropped_total", "Checkpoints not brought to an anchor because too many newer ones waited.",
		func(s exporter.AnchorStats) float64 { return float64(s.Dropped) }),
	byAnchor(prometheus.GaugeValue, "adminsessions_exporter_anchor_waiting", "Checkpoints that wait for an anchor.",
		func(s exporter.AnchorStats) float64 { return float64(s.Waiting) }),
	byAnchor(prometheus.GaugeValue, "adminsessions_exporter_anchor_last_success_timestamp_seconds", "When a checkpoint was last brought to an anchor, in Unix time; 0 before the first.",
		func(s exporter.AnchorStats) float64 { return seconds(s.LastSuccess) }),

	gauge("adminsessions_exporter_backlog_events", "Events in the spool that Loki has not acknowledged.",
		func(s *exporter.Stats) float64 { return float64(s.BacklogEvents) }),
	gauge("adminsessions_exporter_backlog_bytes", "Bytes of the spool that Loki has not acknowledged.",
		func(s *exporter.Stats) float64 { return float64(s.BacklogBytes) }),
	gauge("adminsessions_exporter_backlog_age_seconds", "Age of the oldest event that Loki has not acknowledged, 0 if there is none.",
		func(s *exporter.Stats) float64 { return s.BacklogAge.Seconds() }),

	gauge("adminsessions_spool_sequence_number", "The sequence number last given to an event.",
		func(s *exporter.Stats) float64 { return float64(s.SpoolSequence) }),
	gauge("adminsessions_spool_size_bytes", "Bytes of the spool's files on disk.",
		func(s *exporter.Stats) float64 { return float64(s.SpoolBytes) }),
	gauge("adminsessions_spool_limit_bytes", "The spool's size limit.",
		func(s *exporter.Stats) float64 { return float64(s.SpoolLimit) }),
	gauge("adminsessions_spool_disk_free_bytes", "Bytes free for the spool on its file system; -1 if not known.",
		func(s *exporter.Stats) float64 { return float64(s.SpoolFree) }),
	counter("adminsessions_spool_sync_failures_total", "Failed attempts to sync the spool to disk; events since the last sync may not survive a power cut.",
		func(s *exporter.Stats) float64 { return float64(s.SpoolSyncFailures) }),
	by("reason", "adminsessions_spool_damage_total", "Pieces of damage found in the spool's files, by reason.",
		func(s *exporter.Stats) map[string]uint64 { return s.SpoolDamage }),
	counter("adminsessions_spool_damaged_records_total", "Records lost to damage of the spool's files.",
		func(s *exporter.Stats) float64 { return float64(s.SpoolLostRecords) }),
	counter("adminsessions_spool_damaged_bytes_total", "Bytes passed over in the spool's files because of damage.",
		func(s *exporter.Stats) float64 { return float64(s.SpoolLostBytes) }),
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range metrics {
		ch <- m.desc
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	for _, m := range metrics {
		m.send(m.desc, &s, ch)
	}
}
