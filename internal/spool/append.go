package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// batch is a meeting of Append calls whose records are written together.
type batch struct {
	reqs  []request
	arena []byte       // payloads whose caller may leave before they are written
	refs  atomic.Int32 // callers that have not left, and one for the writer
	done  atomic.Bool  // all results are there
}

type request struct {
	ts      time.Time
	payload []byte

	rec    Record
	seg    *segment // nil if refused
	reason Reason
	err    error
}

var errNotSynced = errors.New("the segment was written anew while it was synced")

// errNoRoom is the result, under FullBlock, of a record that may be tried again.
var errNoRoom = errors.New("no room")

// Append adds a record. When it returns nil the record survives the death of the
// process; under SyncAlways it also survives a power cut. The Record returned has
// the number and time stamp given to it and no payload; payload is not kept.
//
// A record that can't be kept is refused with a *RefusedError, which has its
// number. Append waits only for the write to the page cache, for room under
// FullBlock, and for fsync under SyncAlways; the last two end with ctx.
func (l *Log) Append(ctx context.Context, ts time.Time, payload []byte, opts ...AppendOption) (Record, error) {
	if l.opts.Sync == SyncAlways {
		return l.AppendSync(ctx, ts, payload, opts...)
	}
	if l.overShare(payload, opts) {
		return l.refuseLimited()
	}
	return l.insist(ctx, ts, payload, l.appendNow)
}

// AppendOption changes what one Append or AppendSync does.
type AppendOption uint8

// Limited appends a record of the kind that must not fill the spool, because
// anybody can cause it. If it would take the spool into Options.ReservedBytes it
// is refused with ReasonReserved, at once even under FullBlock, and consumes no
// number: it is for the caller to count it and to record that count.
const Limited AppendOption = 1

// overShare tells that a limited record would go into what is reserved. Callers
// at the same moment may each add one record more than that.
func (l *Log) overShare(payload []byte, opts []AppendOption) bool {
	return slices.Contains(opts, Limited) && !l.closed.Load() &&
		l.used.Load()+frameSize(len(payload)) > l.opts.MaxBytes-l.opts.ReservedBytes
}

func (l *Log) refuseLimited() (Record, error) {
	l.countDrop(ReasonReserved)
	return l.refused(Record{}, ReasonReserved, errSpoolFull)
}

// AppendSync adds a record and returns when an fsync covers it. Concurrent calls
// share one. It never waits longer than ctx allows, whatever the disk does: then
// it fails with *NotDurableError, and the record may or may not be in the spool.
func (l *Log) AppendSync(ctx context.Context, ts time.Time, payload []byte, opts ...AppendOption) (Record, error) {
	if l.overShare(payload, opts) {
		return l.refuseLimited()
	}
	return l.insist(ctx, ts, payload, l.appendDurable)
}

// insist calls add until there is room, as the full policy has it, and accounts
// for a record that is refused.
func (l *Log) insist(ctx context.Context, ts time.Time, payload []byte,
	add func(context.Context, time.Time, []byte) (Record, Reason, error)) (Record, error) {
	if len(payload) > l.opts.MaxRecordBytes {
		rec, reason, err := l.refuse(ReasonTooLarge, fmt.Errorf("payload has %d bytes, limit is %d", len(payload), l.opts.MaxRecordBytes))
		return l.refused(rec, reason, err)
	}
	rec, reason, err := add(ctx, ts, payload)
	if err == nil {
		return rec, nil
	}
	if errors.Is(err, errNoRoom) {
		rec, reason, err = l.wait(ctx, ts, payload, add)
		if err == nil {
			return rec, nil
		}
	}
	if reason == "" { // not refused: not known to be durable
		return rec, err
	}
	return l.refused(rec, reason, err)
}

func (l *Log) refused(rec Record, reason Reason, err error) (Record, error) {
	if l.opts.OnDrop != nil {
		l.opts.OnDrop(reason, rec.Seq)
	}
	return rec, &RefusedError{Reason: reason, Seq: rec.Seq, Err: err}
}

// wait tries again when room has been made, and now and then while the disk is
// full, until ctx or the block timeout ends it.
func (l *Log) wait(ctx context.Context, ts time.Time, payload []byte,
	add func(context.Context, time.Time, []byte) (Record, Reason, error)) (Record, Reason, error) {
	ctx, cancel := context.WithTimeout(ctx, l.opts.BlockTimeout)
	defer cancel()
	retry := time.NewTimer(firstBackoff)
	defer retry.Stop()
	pause := firstBackoff
	for {
		l.mu.Lock()
		space := l.space
		l.stats.blocked++
		l.mu.Unlock()
		rec, reason, err := add(ctx, ts, payload)
		if !errors.Is(err, errNoRoom) {
			l.unblock()
			return rec, reason, err
		}
		retry.Reset(pause)
		select {
		case <-space:
		case <-retry.C:
			pause = min(2*pause, maxBackoff)
		case <-ctx.Done():
			l.unblock()
			return l.refuse(reason, fmt.Errorf("%w: %w", err, ctx.Err()))
		}
		l.unblock()
	}
}

func (l *Log) unblock() {
	l.mu.Lock()
	l.stats.blocked--
	l.mu.Unlock()
}

// appendNow joins the callers that have gathered and either finds its record
// written by another or writes for all.
func (l *Log) appendNow(_ context.Context, ts time.Time, payload []byte) (Record, Reason, error) {
	b, i, _ := l.join(ts, payload, false)
	if b == nil {
		return Record{}, l.refuseClosed(), ErrClosed
	}
	if !b.done.Load() {
		l.wmu.Lock()
		if !b.done.Load() {
			l.flush()
		}
		l.wmu.Unlock()
	}
	q := &b.reqs[i]
	rec, reason, err := q.rec, q.reason, q.err
	l.leave(b)
	return rec, reason, err
}

// appendDurable leaves its record to the sync goroutine and waits for the round
// that covers it.
func (l *Log) appendDurable(ctx context.Context, ts time.Time, payload []byte) (Record, Reason, error) {
	b, i, r := l.join(ts, payload, true)
	if b == nil {
		return Record{}, l.refuseClosed(), ErrClosed
	}
	defer l.leave(b)
	signal(l.kick)
	select {
	case <-r.done:
	case <-ctx.Done():
		var rec Record
		if b.done.Load() && b.reqs[i].err == nil {
			rec = b.reqs[i].rec
		}
		return rec, "", &NotDurableError{Rec: rec, Err: ctx.Err()}
	}
	q := &b.reqs[i]
	if q.err != nil {
		return q.rec, q.reason, q.err
	}
	l.mu.Lock()
	var err error
	if q.rec.Seq > q.seg.syncedTo {
		err = cmpErr(q.seg.syncErr, errNotSynced)
	}
	l.mu.Unlock()
	if err != nil {
		return q.rec, "", &NotDurableError{Rec: q.rec, Err: err}
	}
	return q.rec, "", nil
}

// join adds a record to the batch that gathers. b is nil if the log is closed.
func (l *Log) join(ts time.Time, payload []byte, keep bool) (b *batch, i int, r *round) {
	l.qmu.Lock()
	defer l.qmu.Unlock()
	if l.closed.Load() {
		return nil, 0, nil
	}
	b = l.gathering
	if keep {
		n := len(b.arena)
		b.arena = append(b.arena, payload...)
		payload = b.arena[n:]
	}
	b.reqs = append(b.reqs, request{ts: ts, payload: payload})
	b.refs.Add(1)
	return b, len(b.reqs) - 1, l.round
}

// leave gives up one reference; the last one makes the batch fit for reuse.
func (l *Log) leave(b *batch) {
	if b.refs.Add(-1) != 0 {
		return
	}
	clear(b.reqs)
	b.reqs, b.arena = b.reqs[:0], b.arena[:0]
	b.done.Store(false)
	b.refs.Store(1)
	if cap(b.reqs) > 4096 || cap(b.arena) > 1<<20 {
		return // a rare crowd; let it go
	}
	l.qmu.Lock()
	l.free = append(l.free, b)
	l.qmu.Unlock()
}

func newBatch() *batch {
	b := new(batch)
	b.refs.Store(1)
	return b
}

// flush writes all that has gathered. wmu is held.
func (l *Log) flush() {
	l.qmu.Lock()
	b := l.gathering
	if len(b.reqs) == 0 {
		l.qmu.Unlock()
		return
	}
	if n := len(l.free); n > 0 {
		l.gathering, l.free = l.free[n-1], l.free[:n-1]
	} else {
		l.gathering = newBatch()
	}
	l.qmu.Unlock()

	now := l.opts.Now()
	before := l.nextSeq.Load()
	refused := false
	for reqs := b.reqs; len(reqs) > 0; {
		n, reason, err := l.writeSome(reqs, now)
		if err != nil {
			for i := range reqs[:n] {
				refused = l.fail(&reqs[i], reason, err) || refused
			}
		}
		reqs = reqs[n:]
	}
	if refused && l.nextSeq.Load() != before {
		l.noteHigh()
	}
	if cap(l.buf) > 4*writeChunk {
		l.buf = nil
	}
	b.done.Store(true)
	l.leave(b)
}

// fail refuses a record, or hands it back to be tried again. wmu is held.
func (l *Log) fail(q *request, reason Reason, err error) (refused bool) {
	q.seg, q.reason = nil, reason
	if l.opts.Full == FullBlock && (reason == ReasonSpoolFull || reason == ReasonDiskFull) {
		q.rec, q.err = Record{}, fmt.Errorf("%w: %w", errNoRoom, err)
		return false
	}
	q.rec, q.err = Record{Seq: l.nextSeq.Load(), Origin: q.ts.UnixNano()}, err
	l.nextSeq.Add(1)
	l.countDrop(reason)
	return true
}

// refuse consumes a number for a record that is not written.
func (l *Log) refuse(reason Reason, err error) (Record, Reason, error) {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	if l.closed.Load() {
		return Record{}, l.refuseClosed(), ErrClosed
	}
	rec := Record{Seq: l.nextSeq.Load()}
	l.nextSeq.Add(1)
	l.countDrop(reason)
	l.noteHigh()
	return rec, reason, err
}

func (l *Log) refuseClosed() Reason {
	l.countDrop(ReasonClosed)
	return ReasonClosed
}

// noteHigh keeps the highest number given where a full disk does not matter.
// That it can't be written shows in Health; the number is still consumed as long
// as the process lives. wmu is held.
func (l *Log) noteHigh() {
	high := l.nextSeq.Load() - 1
	_ = l.cursor.update(func(p *position) { p.high = high })
}
