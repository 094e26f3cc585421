package trailevents

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/internal/spooled"
	"github.com/adminsessions/adminsessions/proof"
)

// The actions of the trail's own events, behind "trail.".
const (
	started     = "started"
	stopped     = "stopped"
	dropped     = "dropped"
	quarantined = "quarantined"
	lokiAway    = "loki_away"
	lokiBack    = "loki_back"
	clockSkew   = "clock_skew"
	checkpoint  = "checkpoint"
	spoolLost   = "spool_lost"
)

func actions() []string {
	return []string{started, stopped, dropped, quarantined, lokiAway, lokiBack, clockSkew, checkpoint, spoolLost}
}

// Stopped writes the last event of a process that ends by itself, behind all that
// waits to be written.
func (r *Recorder) Stopped() {
	r.writeDue(true)
	r.writeNow(occurrence{
		action: stopped, outcome: adminsessions.OutcomeSuccess,
		note: func(*occurrence) string { return "the trail was stopped" },
	})
}

// Dropped tells that the spool has refused an event. Those that use up no number
// are somebody else's to count.
func (r *Recorder) Dropped(reason spool.Reason, number uint64) {
	if number == 0 {
		return
	}
	r.tell(occurrence{
		action: dropped, reason: string(reason), outcome: adminsessions.OutcomeFailure, first: number, last: number,
		note: func(o *occurrence) string { return ofEvents(o.count) + " lost: " + dropWords(spool.Reason(o.reason)) },
	})
}

func dropWords(reason spool.Reason) string {
	switch reason {
	case spool.ReasonSpoolFull:
		return "the spool was full"
	case spool.ReasonDiskFull:
		return "the disk was full"
	case spool.ReasonIOError:
		return "the disk failed"
	case spool.ReasonTooLarge:
		return "too large for the spool"
	case spool.ReasonReserved, spool.ReasonClosed: // they use up no number
	}
	return string(reason)
}

// Damaged tells of the events that were lost with a part of the spool.
func (r *Recorder) Damaged(d spool.Damage) {
	if d.Records == 0 {
		return
	}
	r.tell(occurrence{
		action: dropped, reason: proof.Damaged, outcome: adminsessions.OutcomeFailure, count: d.Records,
		note:  func(o *occurrence) string { return ofEvents(o.count) + " lost: the spool was damaged" },
		attrs: []attribute.KeyValue{attribute.String("damage", string(d.Reason)), attribute.String("file", d.File)},
	})
}

// SpoolLost tells that a log ends where nobody has ended it, why, and that in
// words. before is its last checkpoint, as far as that is known; nil if not even the
// log is.
func (r *Recorder) SpoolLost(reason, words string, before *proof.Predecessor) {
	o := occurrence{
		action: spoolLost, reason: reason, outcome: adminsessions.OutcomeFailure,
		note: func(*occurrence) string { return words },
	}
	if before != nil {
		o.attrs = []attribute.KeyValue{
			attribute.String("predecessor", strings.TrimPrefix(before.Origin, proof.OriginPrefix)),
			attribute.Int64("predecessor_size", int64(before.Size)),
		}
	}
	r.tell(o)
}

// Quarantined tells of an event that Loki refuses for good.
func (r *Recorder) Quarantined(q spooled.Refused) {
	r.tell(occurrence{
		action: quarantined, reason: q.Reason, outcome: adminsessions.OutcomeFailure, first: q.Sequence, last: q.Sequence,
		note:  func(o *occurrence) string { return ofEvents(o.count) + " in quarantine: loki refuses them" },
		attrs: []attribute.KeyValue{attribute.String("answer", q.Answer)},
	})
}

// DeliveredLate tells that events of a log, at least one and at most
// [proof.MaxRecordedLeaves], came out of quarantine under their own numbers, which
// the log's tree has declared to be absent. Their leaves, as they are now, stand in
// the event, which is in the tree.
func (r *Recorder) DeliveredLate(log string, leaves []proof.RecordedLeaf) {
	slices.SortFunc(leaves, func(a, b proof.RecordedLeaf) int { return cmp.Compare(a.Number, b.Number) })
	first, last := leaves[0].Number, leaves[len(leaves)-1].Number
	r.tell(occurrence{
		action: quarantined, reason: proof.LateReason, alone: log + strconv.FormatUint(first, 10), outcome: adminsessions.OutcomeSuccess,
		count: uint64(len(leaves)), first: first, last: last,
		note:  func(o *occurrence) string { return ofEvents(o.count) + " delivered out of quarantine" },
		attrs: proof.LeafAttributes(log, leaves),
	})
}

// LokiAway tells since when Loki has taken no events, and why.
func (r *Recorder) LokiAway(since time.Time, err error, backlog uint64) {
	r.tell(occurrence{
		action: lokiAway, outcome: adminsessions.OutcomeError, since: since,
		note: func(o *occurrence) string {
			return "loki has not taken events since " + o.since.UTC().Format(time.RFC3339)
		},
		attrs: []attribute.KeyValue{
			attribute.String("away_since", since.UTC().Format(time.RFC3339Nano)), attribute.String("error", err.Error()), attribute.Int64("backlog", int64(backlog)),
		},
	})
}

// LokiBack tells that Loki takes events again.
func (r *Recorder) LokiBack(since time.Time, backlog uint64) {
	away := r.cfg.Now().Sub(since).Round(time.Second)
	r.tell(occurrence{
		action: lokiBack, outcome: adminsessions.OutcomeSuccess,
		note:  func(*occurrence) string { return "loki takes events again after " + away.String() },
		attrs: []attribute.KeyValue{attribute.Int64("away_seconds", int64(away.Seconds())), attribute.Int64("backlog", int64(backlog))},
	})
}

// ClockSkew tells by how much this machine's clock is ahead of Loki's.
func (r *Recorder) ClockSkew(ahead time.Duration) {
	words := "this machine's clock is " + ahead.Abs().String() + " ahead of loki's"
	if ahead < 0 {
		words = "this machine's clock is " + ahead.Abs().String() + " behind loki's"
	}
	r.tell(occurrence{
		action: clockSkew, outcome: adminsessions.OutcomeFailure,
		note:  func(*occurrence) string { return words },
		attrs: []attribute.KeyValue{attribute.Float64("clock_ahead_seconds", ahead.Seconds())},
	})
}

// Checkpoint writes the event that carries a checkpoint, signed, of so many events.
// An error says that the spool has not taken it; it is not kept.
func (r *Recorder) Checkpoint(size uint64, signed []byte) error {
	if r.cfg.Refusing() {
		return errRefusing
	}
	o := occurrence{
		action: checkpoint, outcome: adminsessions.OutcomeSuccess, count: 1, since: r.cfg.Now(), checkpoint: string(signed),
		note:  func(*occurrence) string { return "checkpoint of " + ofEvents(size) },
		attrs: []attribute.KeyValue{attribute.Int64("size", int64(size))},
	}
	if err := r.cfg.Record(r.event(&o)); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[checkpoint]++
	return nil
}

var errRefusing = errors.New("the spool refuses events")

// ofEvents is how many events, in words: "1 event", "7 events".
func ofEvents(n uint64) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}
