package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	writeChunk = 256 << 10 // a write is begun when this much has gathered

	// clockSlack is how far ahead of the clock the last time stamp may be
	// before it is taken for the mistake of a clock that was wrong.
	clockSlack = 10 * time.Minute
)

var errSpoolFull = errors.New("spool has reached its size limit")

// writeSome writes the first n of reqs, or says why they can't be. wmu is held.
func (l *Log) writeSome(reqs []request, now time.Time) (n int, reason Reason, err error) {
	if l.broken.closedAt(now) {
		return len(reqs), l.broken.reason, l.broken.err
	}
	if err := l.folder.get(); err != nil {
		return len(reqs), classify(err), err
	}
	seg := l.active
	if seg != nil && seg.size+l.frameBytes(len(reqs[0].payload)) > l.opts.SegmentBytes && seg.size > headerSize {
		l.seal(seg)
		seg = nil
	}
	overhead := int64(0)
	if seg == nil {
		overhead = headerSize
	}
	room := l.opts.MaxBytes - l.used.Load() - overhead
	if l.frameBytes(len(reqs[0].payload)) > room {
		l.makeRoom()
		return 1, ReasonSpoolFull, errSpoolFull
	}
	if seg == nil {
		if seg, err = l.newSegment(now); errors.Is(err, fs.ErrNotExist) {
			l.restoreFiles()
			signal(l.kick) // it reports what was found
			seg, err = l.newSegment(now)
		}
		if err != nil {
			return len(reqs), l.writeFailed(now, err), err
		}
	}
	room = min(room, l.opts.SegmentBytes-seg.size)

	seq, last := l.nextSeq.Load(), l.lastTime
	buf := l.buf[:0]
	prev := l.lastRecord
	for n < len(reqs) && len(buf) < writeChunk && int64(len(buf))+l.frameBytes(len(reqs[n].payload)) <= room {
		q := &reqs[n]
		q.rec = Record{Seq: seq, Origin: origin(q.ts, now), Payload: q.payload, prev: prev}
		q.rec.Time = l.stamp(q.rec.Origin, last, now)
		buf = seg.key.appendFrame(buf, &q.rec)
		q.rec.Payload, q.seg = nil, seg
		prev, seq, last = seq, seq+1, q.rec.Time
		n++
		if seg.direct {
			break // gathering saves no system call
		}
	}
	l.buf = buf

	if _, err := seg.file.WriteAt(buf, seg.size); err != nil {
		err = fmt.Errorf("writing segment %s: %w", seg.name, err)
		l.seal(seg) // cuts it back: nothing is half kept
		return n, l.writeFailed(now, err), err
	}
	l.writable()
	l.nextSeq.Store(seq)
	l.lastTime, l.lastRecord = last, seq-1
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
		l.stats.clockResets.Add(1)
		return ts
	}
	return max(ts, last+1)
}

// newSegment begins a segment file and makes it the active one. Nothing is
// synced here: the sync goroutine does, before it calls the segment's records
// durable. wmu is held.
func (l *Log) newSegment(now time.Time) (*segment, error) {
	first := l.nextSeq.Load()
	seg := &segment{first: first, name: segmentName(first), key: l.ident.secret.key(first), unnamed: true}
	name := l.path(seg.name)
	f, err := l.opts.FS.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		// Left over from an attempt that failed and could not be undone.
		if _, err := l.setAside(seg.name, 0); err != nil {
			return nil, fmt.Errorf("making segment %s: %w", seg.name, err)
		}
		f, err = l.opts.FS.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("making segment %s: %w", seg.name, err)
	}
	h := header{identity: l.ident, first: first, prevLast: l.lastRecord, created: now.UnixNano()}
	if len(l.opts.Keys) > 0 {
		h.keyID = l.opts.Keys[0].id
		seg.key.seal = l.ident.secret.sealer(first, l.opts.Keys[0])
	}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("making segment %s: %w", seg.name, err),
			f.Close(), l.opts.FS.Remove(name))
	}
	// Without a reserve the segment grows write by write, which is slower.
	seg.direct, _ = f.Reserve(min(l.opts.SegmentBytes, l.opts.MaxBytes-l.used.Load()))
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
	if l.active != seg {
		return
	}
	l.active = nil
	// A reserve that can't be given back is passed over as the zeros that it is.
	_ = seg.file.Truncate(seg.size)
	if seg.size == headerSize {
		// Its name is the next number, as the next segment's will be. If it
		// can't be removed it is set aside then.
		_ = l.opts.FS.Remove(l.path(seg.name))
	}
	l.mu.Lock()
	seg.sealed = true
	if seg.size == headerSize {
		l.segments = slices.Delete(slices.Clone(l.segments), len(l.segments)-1, len(l.segments))
		seg.unlinked = true
		seg.synced = seg.size // or a reader in it would wait for more
		l.retired = append(l.retired, seg)
	}
	l.mu.Unlock()
	l.reader.visible()
}

// writeFailed notes a failed write and returns the reason for the records it
// takes. wmu is held.
func (l *Log) writeFailed(now time.Time, err error) Reason {
	reason := classify(err)
	l.broken.failed(now, reason, err)
	l.stats.writeErrors.Add(1)
	l.writing.set(err)
	return reason
}

// writable notes that the disk takes writes. wmu is held.
func (l *Log) writable() {
	if l.broken.err != nil {
		l.broken = backoff{}
		l.writing.set(nil)
	}
}

// lookForRoom does what an Append would to find out whether there is room again, at
// once if some was made; so Health can tell without one. wmu is held.
func (l *Log) lookForRoom(freed bool) {
	if l.isFull() {
		l.makeRoom()
	}
	now := l.opts.Now()
	if l.broken.err == nil || l.active != nil || l.broken.closedAt(now) && !freed {
		return
	}
	// A header fits where a record does not.
	need := headerSize + l.frameBytes(l.opts.MaxRecordBytes)
	if free, err := l.opts.FS.Free(l.opts.Dir); err == nil && free < need && l.broken.reason == ReasonDiskFull {
		return
	}
	if _, err := l.newSegment(now); err != nil {
		l.writeFailed(now, err)
		return
	}
	l.writable()
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
		l.retire()
		signal(l.kick)
	}
}
