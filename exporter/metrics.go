package exporter

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/spool"
)

// Outcomes of delivering an event from quarantine again, the values of the label
// "outcome".
const (
	retriedDelivered = "delivered"
	retriedRefused   = "refused"
)

// metrics of the pipeline. They are plain numbers, so that a program without
// Prometheus has none of it (its package registers /debug/vars with
// http.DefaultServeMux); package exportermetrics gives them their names.
type metrics struct {
	accepted, cut, delivered, retimed, pushes, bytes, splits atomic.Uint64

	dropped, quarantined, retried, failures, damage countersBy

	damagedRecords, damagedBytes atomic.Uint64

	logsLost countersBy

	push, delay histogram

	lastSuccess atomic.Int64 // ns, 0 before the first
	skew        atomic.Int64 // ns by which this machine's clock is ahead of Loki's
	up          atomic.Bool
}

func newMetrics() *metrics {
	m := &metrics{
		dropped:     newCountersBy(reasons(spool.Reasons())),
		quarantined: newCountersBy([]string{quarantineRefused, quarantineTooLarge, quarantineMalformed}),
		retried:     newCountersBy([]string{retriedDelivered, retriedRefused}),
		failures:    newCountersBy(loki.PushStatuses()),
		damage:      newCountersBy(reasons(spool.DamageReasons())),
		logsLost:    newCountersBy([]string{lostCopied, lostSetBack, lostVanished}),
		push:        newHistogram(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10),
		delay:       newHistogram(.1, .25, .5, 1, 2, 5, 15, 60, 300, 3600, 21600, 86400),
	}
	m.up.Store(true)
	return m
}

func reasons[T ~string](list []T) []string {
	s := make([]string, len(list))
	for i, r := range list {
		s[i] = string(r)
	}
	return s
}

// countersBy counts by the value of a label. All values are there from the start.
type countersBy map[string]*atomic.Uint64

func newCountersBy(values []string) countersBy {
	c := make(countersBy, len(values))
	for _, v := range values {
		c[v] = new(atomic.Uint64)
	}
	return c
}

func (c countersBy) add(value string) { c.addN(value, 1) }

func (c countersBy) addN(value string, n int) {
	if counter := c[value]; counter != nil {
		counter.Add(uint64(n))
	}
}

func (c countersBy) values() map[string]uint64 {
	m := make(map[string]uint64, len(c))
	for v, n := range c {
		m[v] = n.Load()
	}
	return m
}

// Why a log was lost, the values of the label "reason".
const (
	lostCopied   = "copied"   // the spool is a copy, or was restored from one
	lostSetBack  = "set_back" // the spool is older than what it has delivered
	lostVanished = "vanished" // the spool was removed: its log has no successor but this one
)

// histogram counts durations by buckets. It has one writer.
type histogram struct {
	bounds []float64 // seconds
	counts []atomic.Uint64
	total  atomic.Uint64
	sum    atomic.Int64 // ns
}

func newHistogram(bounds ...float64) histogram {
	return histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds))}
}

func (h *histogram) observe(d time.Duration) {
	if i, _ := slices.BinarySearch(h.bounds, d.Seconds()); i < len(h.counts) {
		h.counts[i].Add(1)
	}
	h.sum.Add(int64(d))
	h.total.Add(1)
}

func (h *histogram) snapshot() Histogram {
	s := Histogram{Count: h.total.Load(), Sum: time.Duration(h.sum.Load()), Buckets: make(map[float64]uint64, len(h.bounds))}
	var n uint64
	for i, b := range h.bounds {
		n += h.counts[i].Load()
		s.Buckets[b] = n
	}
	s.Count = max(s.Count, n)
	return s
}
