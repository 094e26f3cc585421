package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	writeChunk = 256 << 10 // a write is begun when this much has gathered

	// clockSlack is how far ahead of the clock the last time stamp may be
	// before it is taken for the mistake of a clock that was wrong.
	clockSlack = 10 * time.Minute
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

// errNoRoom is the result, under FullBlock, of a record that may be tried again.
var errNoRoom = errors.New("no room")

// Append adds a record. When it returns nil the record survives the death of the
// process; under SyncAlways it also survives a power cut. The Record returned has
// the number and time stamp given to it and no payload; payload is not kept.
//
// A record that can't be kept is refused with a *RefusedError, which has its
// number. Append waits only for the write to the page cache, for room under
// FullBlock, and for fsync under SyncAlways; the last two end with ctx.
func (l *Log) Append(ctx context.Context, ts time.Time, payload []byte) (Record, error) {
	if l.opts.Sync == SyncAlways {
		return l.AppendSync(ctx, ts, payload)
	}
	return l.insist(ctx, ts, payload, l.appendNow)
}

// AppendSync adds a record and returns when an fsync covers it. Concurrent calls
// share one. It never waits longer than ctx allows, whatever the disk does: then
// it fails with *NotDurableError, and the record may or may not be in the spool.
func (l *Log) AppendSync(ctx context.Context, ts time.Time, payload []byte) (Record, error) {
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
	err := q.seg.syncErr
	if q.rec.Seq <= q.seg.syncedTo {
		err = nil
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

var errSpoolFull = errors.New("spool has reached its size limit")

// writeSome writes the first n of reqs, or says why they can't be. wmu is held.
func (l *Log) writeSome(reqs []request, now time.Time) (n int, reason Reason, err error) {
	if l.broken.closedAt(now) {
		return len(reqs), l.broken.reason, l.broken.err
	}
	seg := l.active
	if seg != nil && seg.size+frameSize(len(reqs[0].payload)) > l.opts.SegmentBytes && seg.size > headerSize {
		l.seal(seg)
		seg = nil
	}
	overhead := int64(0)
	if seg == nil {
		overhead = headerSize
	}
	room := l.opts.MaxBytes - l.used.Load() - overhead
	if frameSize(len(reqs[0].payload)) > room {
		l.makeRoom()
		return 1, ReasonSpoolFull, errSpoolFull
	}
	if seg == nil {
		if seg, err = l.newSegment(now); err != nil {
			return len(reqs), l.writeFailed(now, err), err
		}
	}
	room = min(room, l.opts.SegmentBytes-seg.size)

	seq, last := l.nextSeq.Load(), l.lastTime
	buf := l.buf[:0]
	for n < len(reqs) && len(buf) < writeChunk && int64(len(buf))+frameSize(len(reqs[n].payload)) <= room {
		q := &reqs[n]
		q.rec = Record{Seq: seq, Origin: origin(q.ts, now), Payload: q.payload}
		q.rec.Time = l.stamp(q.rec.Origin, last, now)
		buf = seg.key.appendFrame(buf, &q.rec)
		q.rec.Payload, q.seg = nil, seg
		seq, last = seq+1, q.rec.Time
		n++
	}
	l.buf = buf

	if _, err := seg.file.WriteAt(buf, seg.size); err != nil {
		err = fmt.Errorf("writing segment %s: %w", seg.name, err)
		l.seal(seg) // cuts it back: nothing is half kept
		return n, l.writeFailed(now, err), err
	}
	if l.broken.err != nil {
		l.opts.Logger.Info("spool writes again", "dir", l.opts.Dir)
		l.mu.Lock()
		l.stats.lastWriteErr = nil
		l.mu.Unlock()
	}
	l.broken = backoff{}
	l.nextSeq.Store(seq)
	l.lastTime = last
	l.publish(seg, int64(len(buf)), seq-1, last, n)
	return n, "", nil
}

// publish makes written records known to readers and the sync goroutine.
func (l *Log) publish(seg *segment, size int64, last uint64, lastTime int64, n int) {
	l.used.Add(size)
	l.mu.Lock()
	seg.size += size
	seg.last = last
	l.last, l.lastWritten = last, lastTime
	l.full = false
	l.stats.appended += uint64(n)
	l.stats.appendedBytes += uint64(size)
	l.mu.Unlock()
	l.reader.written()
}

// origin is the time stamp as the caller gave it, in what an int64 of
// nanoseconds can hold.
func origin(ts, now time.Time) int64 {
	if s := ts.Unix(); s <= 0 || s >= 1<<33 {
		return now.UnixNano()
	}
	return ts.UnixNano()
}

// stamp returns the record's Time: strictly after the last one, unless either is
// so far ahead of the clock that a clock must have been wrong.
func (l *Log) stamp(ts, last int64, now time.Time) int64 {
	limit := now.Add(clockSlack).UnixNano()
	if ts > limit {
		ts = now.UnixNano()
	}
	if last > limit {
		l.mu.Lock()
		l.stats.clockResets++
		l.mu.Unlock()
		return ts
	}
	return max(ts, last+1)
}

// newSegment begins a segment file and makes it the active one. Nothing is
// synced here: the sync goroutine does, before it calls the segment's records
// durable. wmu is held.
func (l *Log) newSegment(now time.Time) (*segment, error) {
	first := l.nextSeq.Load()
	seg := &segment{first: first, name: segmentName(first), key: l.ident.secret.key(first), newborn: true}
	name := l.path(seg.name)
	f, err := l.opts.FS.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		// Left over from an attempt that failed and could not be undone.
		if _, err := l.setAside(seg.name); err != nil {
			return nil, fmt.Errorf("making segment %s: %w", seg.name, err)
		}
		f, err = l.opts.FS.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("making segment %s: %w", seg.name, err)
	}
	l.mu.Lock()
	last := l.last
	l.mu.Unlock()
	h := header{identity: l.ident, first: first, prevLast: last, created: now.UnixNano()}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("making segment %s: %w", seg.name, err),
			f.Close(), l.opts.FS.Remove(name))
	}
	// Without a reserve the segment grows write by write, which is slower.
	_ = f.Reserve(min(l.opts.SegmentBytes, l.opts.MaxBytes-l.used.Load()))
	seg.file, seg.size, seg.synced = f, headerSize, 0
	l.used.Add(headerSize)
	l.mu.Lock()
	l.segments = append(l.segments, seg)
	l.mu.Unlock()
	l.active = seg
	return seg, nil
}

// seal ends a segment: nothing is written to it any more. wmu is held.
func (l *Log) seal(seg *segment) {
	if l.active == seg {
		l.active = nil
		// A reserve that can't be given back is passed over as the zeros that
		// it is.
		_ = seg.file.Truncate(seg.size)
	}
	l.mu.Lock()
	seg.sealed = true
	l.mu.Unlock()
	l.reader.visible()
}

// writeFailed notes a failed write and returns the reason for the records it
// takes. wmu is held.
func (l *Log) writeFailed(now time.Time, err error) Reason {
	reason := classify(err)
	if l.broken.err == nil || l.broken.reason != reason {
		l.opts.Logger.Error("spool can't write; records are refused until it can", "dir", l.opts.Dir, "reason", string(reason), "error", err)
	}
	l.broken.failed(now, reason, err)
	l.mu.Lock()
	l.stats.writeErrors++
	l.stats.lastWriteErr = err
	l.mu.Unlock()
	return reason
}

func classify(err error) Reason {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return ReasonDiskFull
	}
	return ReasonIOError
}

// makeRoom lets an active segment go that is delivered in full. wmu is held.
func (l *Log) makeRoom() {
	l.mu.Lock()
	l.full = true
	l.mu.Unlock()
	if seg := l.active; seg != nil && seg.last != 0 && seg.last <= l.acked.Load() {
		l.seal(seg)
		l.bury()
		signal(l.kick)
	}
}
