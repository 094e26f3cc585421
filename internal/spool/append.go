package spool

import (
	"cmp"
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

// request is one record to be written. When its batch is done it has either a
// segment or an error: *RefusedError or *noRoomError.
type request struct {
	ts      time.Time
	payload []byte

	rec Record
	seg *segment
	err error
}

// noRoomError is the result, under BlockWhenFull, of a record that may be tried again.
// It has no number yet.
type noRoomError struct {
	reason Reason
	err    error
}

func (e *noRoomError) Error() string { return e.err.Error() }

var errNotSynced = errors.New("the segment was written anew while it was synced")

// AppendOption changes what one Append or AppendSync does.
type AppendOption uint8

// Limited appends a record of the kind that must not fill the spool, because
// anybody can cause it. If it would take the spool into Options.ReservedBytes it
// is refused with ReasonReserved, at once even under BlockWhenFull, and consumes no
// number: it is for the caller to count it and to record that count.
const Limited AppendOption = 1

// Append adds a record. When it returns nil the record survives the death of the
// process; under SyncAlways it also survives a power cut. The Record returned has
// the number and time stamp given to it and no payload; payload is not kept.
//
// A record that can't be kept is refused with a *RefusedError, which has its
// number. Append waits only for the write to the page cache, for room under
// BlockWhenFull, and for fsync under SyncAlways; the last two end with ctx.
func (l *Log) Append(ctx context.Context, ts time.Time, payload []byte, opts ...AppendOption) (Record, error) {
	if l.opts.Sync == SyncAlways {
		return l.append(ctx, ts, payload, opts, l.writeSynced)
	}
	return l.append(ctx, ts, payload, opts, l.write)
}

// AppendSync adds a record and returns when an fsync covers it. Concurrent calls
// share one. It never waits longer than ctx allows, whatever the disk does: then
// it fails with *NotDurableError, and the record may or may not be in the spool.
func (l *Log) AppendSync(ctx context.Context, ts time.Time, payload []byte, opts ...AppendOption) (Record, error) {
	return l.append(ctx, ts, payload, opts, l.writeSynced)
}

// writer is write or writeSynced.
type writer func(context.Context, time.Time, []byte) (Record, error)

// append writes a record, waiting for room if the full policy says so. It is the
// one way out for records that are refused.
func (l *Log) append(ctx context.Context, ts time.Time, payload []byte, opts []AppendOption, write writer) (rec Record, err error) {
	switch {
	case l.overShare(payload, opts):
		err = &RefusedError{Reason: ReasonReserved, Err: errSpoolFull}
	case len(payload) > l.opts.MaxRecordBytes:
		rec, err = l.refuse(ReasonTooLarge, fmt.Errorf("payload has %d bytes, limit is %d", len(payload), l.opts.MaxRecordBytes))
	default:
		rec, err = write(ctx, ts, payload)
		if _, full := err.(*noRoomError); full { //nolint:errorlint // never wrapped
			rec, err = l.waitForRoom(ctx, ts, payload, write)
		}
	}
	if err != nil {
		l.noteRefused(err)
	}
	return rec, err
}

// overShare tells that a limited record would go into what is reserved. Callers
// at the same moment may each add one record more than that.
func (l *Log) overShare(payload []byte, opts []AppendOption) bool {
	return slices.Contains(opts, Limited) && !l.closed.Load() &&
		l.used.Load()+l.frameBytes(len(payload)) > l.opts.MaxBytes-l.opts.ReservedBytes
}

// waitForRoom tries again when room has been made, and now and then while the disk
// is full, until ctx or the block timeout ends it.
func (l *Log) waitForRoom(ctx context.Context, ts time.Time, payload []byte, write writer) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, l.opts.BlockTimeout)
	defer cancel()
	l.blocked.Add(1)
	defer l.blocked.Add(-1)
	pause := firstBackoff
	retry := time.NewTimer(pause)
	defer retry.Stop()
	for {
		l.mu.Lock()
		space := l.space
		l.mu.Unlock()
		rec, err := write(ctx, ts, payload)
		full, ok := err.(*noRoomError) //nolint:errorlint // never wrapped
		if !ok {
			return rec, err
		}
		retry.Reset(pause)
		select {
		case <-space:
		case <-retry.C:
			pause = min(2*pause, maxBackoff)
		case <-ctx.Done():
			return l.refuse(full.reason, fmt.Errorf("no room: %w: %w", full.err, ctx.Err()))
		}
	}
}

// write joins the callers that have gathered and either finds its record written
// by another or writes for all.
func (l *Log) write(_ context.Context, ts time.Time, payload []byte) (Record, error) {
	b, i, _ := l.join(ts, payload, false)
	if b == nil {
		return Record{}, errRefusedClosed
	}
	defer l.leave(b)
	if !b.done.Load() {
		l.wmu.Lock()
		if !b.done.Load() {
			l.flush()
		}
		l.wmu.Unlock()
	}
	return b.reqs[i].rec, b.reqs[i].err
}

// writeSynced leaves its record to the sync goroutine and waits for the round that
// covers it.
func (l *Log) writeSynced(ctx context.Context, ts time.Time, payload []byte) (Record, error) {
	b, i, r := l.join(ts, payload, true)
	if b == nil {
		return Record{}, errRefusedClosed
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
		return rec, &NotDurableError{Rec: rec, Err: ctx.Err()}
	}
	q := &b.reqs[i]
	if q.err != nil {
		return q.rec, q.err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if q.rec.Seq > q.seg.syncedTo {
		return q.rec, &NotDurableError{Rec: q.rec, Err: cmp.Or(q.seg.syncErr, errNotSynced)}
	}
	return q.rec, nil
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
	numbersRefused := false
	for reqs := b.reqs; len(reqs) > 0; {
		n, reason, err := l.writeSome(reqs, now)
		if err != nil {
			for i := range reqs[:n] {
				numbersRefused = l.fail(&reqs[i], reason, err) || numbersRefused
			}
		}
		reqs = reqs[n:]
	}
	if numbersRefused {
		l.noteHigh()
	}
	if cap(l.buf) > 4*writeChunk {
		l.buf = nil
	}
	b.done.Store(true)
	l.leave(b)
}

// fail gives a record that was not written its error, and its number unless it may
// be tried again. wmu is held.
func (l *Log) fail(q *request, reason Reason, err error) (numbered bool) {
	q.seg, q.rec = nil, Record{}
	if l.opts.Full == BlockWhenFull && (reason == ReasonSpoolFull || reason == ReasonDiskFull) {
		q.err = &noRoomError{reason, err}
		return false
	}
	q.rec = Record{Seq: l.nextSeq.Add(1) - 1, Origin: q.ts.UnixNano()}
	q.err = &RefusedError{Reason: reason, Seq: q.rec.Seq, Err: err}
	return true
}

// refuse consumes a number for a record that is not to be written.
func (l *Log) refuse(reason Reason, err error) (Record, error) {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	if l.closed.Load() {
		return Record{}, errRefusedClosed
	}
	rec := Record{Seq: l.nextSeq.Add(1) - 1}
	l.noteHigh()
	return rec, &RefusedError{Reason: reason, Seq: rec.Seq, Err: err}
}

// noteHigh keeps the highest number given where a full disk does not matter.
// That it can't be written shows in Health; the number is still consumed as long
// as the process lives. wmu is held.
func (l *Log) noteHigh() {
	high := l.nextSeq.Load() - 1
	_ = l.cursor.update(func(p *position) { p.high = high })
}
