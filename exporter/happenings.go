package exporter

import (
	"cmp"
	"context"
	"runtime/debug"
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

// What the trail says of itself, in words and attributes.

// recordTrail writes one of the trail's own events into the spool.
func (x *Exporter) recordTrail(ev *adminsessions.Event) error {
	p := newPayload(x.labels)
	defer p.release()
	p.buf = ev.AppendLine(p.buf)
	return x.append(context.Background(), ev.Time, p, adminsessions.Spooled, false)
}

// tellStarted is the first event of a process.
func (x *Exporter) tellStarted() {
	o := x.spool.Opened()
	found, note := "closed", "the trail was started"
	switch {
	case o.New:
		found, note = "new", "the trail was started, with a new log"
	case !o.Clean:
		found, note = "not_closed", "the trail was started; the process before was killed"
	}
	atRest := "plain"
	if len(x.cfg.spoolKeys) > 0 {
		atRest = "encrypted"
	}
	attrs := []attribute.KeyValue{
		attribute.String("version", version()),
		attribute.String("clock", clockState()),
		attribute.String("spool", found),
		attribute.Int64("backlog", int64(o.Backlog)),
		attribute.String("sync", string(x.cfg.sync)),
		attribute.String("full", string(x.cfg.full)),
		attribute.String(folderAttribute, absolute(x.cfg.spoolDir)),
		attribute.String("at_rest", atRest),
		attribute.String("proof", x.cfg.proof.words()),
	}
	x.trail.writeNow(happening{
		action: trailStarted, outcome: adminsessions.OutcomeSuccess,
		note: func(*happening) string { return note }, attrs: attrs,
	})
}

// tellStopped is the last event of a process that ends by itself.
func (x *Exporter) tellStopped() {
	x.trail.writeDue(true)
	x.trail.writeNow(happening{
		action: trailStopped, outcome: adminsessions.OutcomeSuccess,
		note: func(*happening) string { return "the trail was stopped" },
	})
}

// writeNow writes an event at once, or soon if the spool refuses it.
func (t *trail) writeNow(h happening) {
	h.count, h.since = 1, t.now()
	_ = t.write(&h) // it is kept then
}

// dropped has an event of lost ones written. Those that use up no number are
// somebody else's to count.
func (t *trail) dropped(r spool.Reason, seq uint64) {
	if seq == 0 {
		return
	}
	t.happened(happening{
		action: trailDropped, reason: string(r), outcome: adminsessions.OutcomeFailure, first: seq, last: seq,
		note: func(h *happening) string { return ofEvents(h.count) + " lost: " + lossWords[spool.Reason(h.reason)] },
	})
}

var lossWords = map[spool.Reason]string{
	spool.ReasonSpoolFull: "the spool was full",
	spool.ReasonDiskFull:  "the disk was full",
	spool.ReasonIOError:   "the disk failed",
	spool.ReasonTooLarge:  "too large for the spool",
}

// damaged has written what damage of the spool means for the trail.
func (t *trail) damaged(d spool.Damage) {
	if d.Reason == spool.DamageCopied {
		t.spoolLost(lostCopied, "the spool is a copy, or was restored from one; events from here on are in a log of their own", nil)
	}
	if d.Records > 0 {
		t.happened(happening{
			action: trailDropped, reason: "damaged", outcome: adminsessions.OutcomeFailure, count: d.Records,
			note:  func(h *happening) string { return ofEvents(h.count) + " lost: the spool was damaged" },
			attrs: []attribute.KeyValue{attribute.String("damage", string(d.Reason)), attribute.String("file", d.File)},
		})
	}
}

// spoolLost has written that a log ends where nobody has ended it. before is its
// last checkpoint, if that is known.
func (t *trail) spoolLost(reason, words string, before *proof.Predecessor) {
	t.metrics.logsLost.add(reason)
	h := happening{
		action: trailSpoolLost, reason: reason, outcome: adminsessions.OutcomeFailure,
		note: func(*happening) string { return words },
	}
	if before != nil {
		h.attrs = []attribute.KeyValue{
			attribute.String("predecessor", strings.TrimPrefix(before.Origin, proof.OriginPrefix)),
			attribute.Int64("predecessor_size", int64(before.Size)),
		}
	}
	t.happened(h)
}

// tellLost has written what the tree shows of logs that were lost.
func (x *Exporter) tellLost(p *prover, before *proof.Predecessor) {
	if x.spool.Opened().SetBack {
		x.trail.spoolLost(lostSetBack, "the spool is older than what it has delivered; numbers go on behind that", p.last)
	}
	if before != nil {
		p.after = before
		x.trail.spoolLost(lostVanished, vanishedWords, before)
	}
}

func (t *trail) quarantined(q spooled.Refused) {
	t.happened(happening{
		action: trailQuarantined, reason: q.Reason, outcome: adminsessions.OutcomeFailure, first: q.Sequence, last: q.Sequence,
		note:  func(h *happening) string { return ofEvents(h.count) + " in quarantine: loki refuses them" },
		attrs: []attribute.KeyValue{attribute.String("answer", q.Answer)},
	})
}

// deliveredLate has written that events came out of quarantine, under their own
// numbers, which the tree has declared to be absent. Their leaves, as they are now,
// stand in the event, which is in the tree.
func (t *trail) deliveredLate(log string, leaves []proof.RecordedLeaf) {
	slices.SortFunc(leaves, func(a, b proof.RecordedLeaf) int { return cmp.Compare(a.Number, b.Number) })
	first, last := leaves[0].Number, leaves[len(leaves)-1].Number
	t.happened(happening{
		action: trailQuarantined, reason: lateReason, alone: log + strconv.FormatUint(first, 10), outcome: adminsessions.OutcomeSuccess,
		count: uint64(len(leaves)), first: first, last: last,
		note:  func(h *happening) string { return ofEvents(h.count) + " delivered out of quarantine" },
		attrs: proof.LeafAttributes(log, leaves),
	})
}

// lateReason is the reason of events about deliveries out of quarantine.
const lateReason = proof.LateReason

func (t *trail) lokiAway(since time.Time, err error, backlog uint64) {
	t.happened(happening{
		action: trailLokiAway, outcome: adminsessions.OutcomeError, since: since,
		note: func(h *happening) string {
			return "loki has not taken events since " + h.since.UTC().Format(time.RFC3339)
		},
		attrs: []attribute.KeyValue{
			attribute.String("away_since", since.UTC().Format(time.RFC3339Nano)), attribute.String("error", err.Error()), attribute.Int64("backlog", int64(backlog)),
		},
	})
}

func (t *trail) lokiBack(since time.Time, backlog uint64) {
	away := t.now().Sub(since).Round(time.Second)
	t.happened(happening{
		action: trailLokiBack, outcome: adminsessions.OutcomeSuccess,
		note:  func(*happening) string { return "loki takes events again after " + away.String() },
		attrs: []attribute.KeyValue{attribute.Int64("away_seconds", int64(away.Seconds())), attribute.Int64("backlog", int64(backlog))},
	})
}

func (t *trail) clockSkew(ahead time.Duration) {
	words := "this machine's clock is " + ahead.Abs().String() + " ahead of loki's"
	if ahead < 0 {
		words = "this machine's clock is " + ahead.Abs().String() + " behind loki's"
	}
	t.happened(happening{
		action: trailClockSkew, outcome: adminsessions.OutcomeFailure,
		note:  func(*happening) string { return words },
		attrs: []attribute.KeyValue{attribute.Float64("clock_ahead_seconds", ahead.Seconds())},
	})
}

// modulePath is this module's, whose version is the trail's.
const modulePath = "github.com/adminsessions/adminsessions"

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Path == modulePath {
		return info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == modulePath {
			return m.Version
		}
	}
	return "unknown"
}
