package exporter

import "time"

// Stats is what an [Exporter] has done since it was made, and its state. The
// maps have every reason from the start, at 0. Package exportermetrics shows it
// to Prometheus.
type Stats struct {
	Accepted  uint64            // events written to the spool
	Cut       uint64            // of these, events of which a part was cut to its limit
	Dropped   map[string]uint64 // events lost because the spool did not take them, by reason
	Delivered uint64            // events that Loki has acknowledged
	Retimed   uint64            // events given another time than the spool's, so that Loki takes them

	Quarantined map[string]uint64 // events in the quarantine file, by reason
	Retried     map[string]uint64 // events from quarantine, by outcome: delivered, refused

	Trail map[string]uint64 // the trail's own events, by action: started, dropped, checkpoint

	Proof ProofStats

	Pushes       uint64            // acknowledged
	PushedBytes  uint64            // acknowledged, compressed as sent
	PushFailures map[string]uint64 // not acknowledged, by status
	Splits       uint64            // pushes sent again in parts
	PushDuration Histogram         // of one push, from request to answer
	Delay        Histogram         // from an event to its acknowledgement, of the oldest of each push
	LastSuccess  time.Time         // zero before the first

	LokiUp    bool          // the last push was acknowledged, or none was made
	ClockSkew time.Duration // by which this machine's clock is ahead of Loki's

	BacklogEvents uint64 // in the spool, not acknowledged
	BacklogBytes  int64
	BacklogAge    time.Duration // of the oldest of them

	SpoolSequence     uint64 // the number last given
	SpoolBytes        int64  // on disk
	SpoolLimit        int64
	SpoolFree         int64             // on the file system; -1 if not known
	SpoolSyncFailures uint64            // events since the last sync may not survive a power cut
	SpoolDamage       map[string]uint64 // pieces of damage found, by reason
	SpoolLostRecords  uint64            // events lost to damage
	SpoolLostBytes    uint64            // bytes passed over because of damage
}

// ProofStats is how the trail has proved itself.
type ProofStats struct {
	On             bool      // there is a key
	Checkpoints    uint64    // signed and in the trail
	Failures       uint64    // attempts to sign that failed
	Size           uint64    // how many events the last checkpoint is about
	LastCheckpoint time.Time // zero before the first
	LogsLost       map[string]uint64
	Anchors        map[string]AnchorStats // by name
}

// AnchorStats is what has been brought to an anchor.
type AnchorStats struct {
	Anchored    uint64 // checkpoints
	Failures    uint64 // attempts that failed
	Dropped     uint64 // checkpoints given up because newer ones waited
	Waiting     int64
	LastSuccess time.Time // zero before the first
}

func (x *Exporter) proofStats() ProofStats {
	n := x.notary.Stats()
	s := ProofStats{
		On: x.cfg.proof.on(), Checkpoints: n.Checkpoints, Failures: n.Failures, Size: n.Size, LastCheckpoint: n.Last,
		LogsLost: x.metrics.logsLost.values(), Anchors: make(map[string]AnchorStats, len(n.Anchors)),
	}
	for name, a := range n.Anchors {
		s.Anchors[name] = AnchorStats(a)
	}
	return s
}

// timeOf is a time in nanoseconds; 0 is none.
func timeOf(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// Histogram is how durations are distributed.
type Histogram struct {
	Count   uint64
	Sum     time.Duration
	Buckets map[float64]uint64 // how many took at most so many seconds
}

// Stats returns the exporter's numbers. It reads a little from the disk and can
// be called every few seconds.
func (x *Exporter) Stats() Stats {
	m, s := x.metrics, x.spool.Stats()
	stats := Stats{
		Accepted: m.accepted.Load(), Cut: m.cut.Load(), Dropped: m.dropped.values(),
		Delivered: m.delivered.Load(), Retimed: m.retimed.Load(),
		Quarantined: m.quarantined.values(), Retried: m.retried.values(),
		Trail: x.trail.Counts(), Proof: x.proofStats(),
		Pushes: m.pushes.Load(), PushedBytes: m.bytes.Load(), PushFailures: m.failures.values(), Splits: m.splits.Load(),
		PushDuration: m.push.snapshot(), Delay: m.delay.snapshot(),
		LokiUp: m.up.Load(), ClockSkew: time.Duration(m.skew.Load()),
		BacklogEvents: s.BacklogEvents, BacklogBytes: s.BacklogBytes, BacklogAge: s.OldestAge,
		SpoolSequence: s.NextSeq - 1, SpoolBytes: s.DiskBytes, SpoolLimit: s.MaxBytes, SpoolFree: s.FreeBytes,
		SpoolSyncFailures: s.SyncErrors, SpoolDamage: m.damage.values(),
		SpoolLostRecords: m.damagedRecords.Load(), SpoolLostBytes: m.damagedBytes.Load(),
	}
	stats.LastSuccess = timeOf(m.lastSuccess.Load())
	return stats
}
