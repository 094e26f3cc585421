package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// readPatience is how long an unreadable spot is tried again before it is
	// passed over.
	readPatience = time.Minute
	readTries    = 5
	sector       = 4 << 10
)

// Reader reads the log's records in order, each once, from the first that was
// not acknowledged when the log was opened. It is used by one goroutine.
//
// Under SyncInterval and SyncAlways it returns a record only once an fsync covers
// it, so that what has left the process is never lost behind it and its number
// never given to another record, not even by a power cut. A waiting reader makes
// the log sync up to ten times as often as SyncInterval says; so a record waits
// at most a tenth of the interval for it. Records whose fsync failed are returned
// all the same: to deliver them is the best that can be done for them.
type Reader struct {
	l        *Log
	quiet    bool         // only looks: also at what is not synced; counts, renames and marks nothing
	onDamage func(Damage) // told of damage if quiet; may be nil

	scan  scanner
	seg   *segment
	file  File
	tried int64    // the scanner's limit, before it found the file to be shorter
	found bool     // a valid record was in seg
	prev  *segment // opened last
	last  uint64   // all numbers up to here are returned, acknowledged, or accounted for

	peeked  Record
	hasPeek bool
	blanks  bool    // the bytes of pending are all zero
	pending *Damage // bytes passed over at the end; how many records is not known yet

	failing   time.Time // since when reading fails at one place
	failCount int
	blank     int64 // how much to pass over next

	read    atomic.Uint64 // last record returned
	waiting atomic.Bool   // the reader found nothing
	wanted  atomic.Bool   // and nothing unsynced either
	more    chan struct{} // the log sends, without waiting, when waiting was set; never closed
}

func newReader(l *Log, acked uint64, quiet bool) *Reader {
	r := &Reader{l: l, quiet: quiet, last: acked, blank: sector, more: make(chan struct{}, 1)}
	r.read.Store(acked)
	return r
}

// Next waits for the next record. Its payload is valid until the next call. It
// fails with ctx's error, with ErrClosed, or with what the file system says; the
// call can be repeated then.
func (r *Reader) Next(ctx context.Context) (Record, error) {
	for {
		rec, ok, err := r.TryNext()
		if ok || err != nil {
			return rec, err
		}
		select {
		case <-r.more:
		case <-ctx.Done():
			return Record{}, ctx.Err()
		case <-r.l.stop:
			return Record{}, ErrClosed
		}
	}
}

// TryNext returns the next record if there is one. After it has returned false,
// Available tells when to call it again.
func (r *Reader) TryNext() (Record, bool, error) {
	rec, ok, err := r.Peek()
	if ok {
		r.hasPeek = false
		r.read.Store(rec.Seq)
	}
	return rec, ok, err
}

// Available receives after TryNext or Peek has returned false and a record has
// come since. It may receive without one.
func (r *Reader) Available() <-chan struct{} { return r.more }

// Peek returns the next record, if there is one, and leaves it to be returned
// again.
func (r *Reader) Peek() (Record, bool, error) {
	if r.hasPeek {
		return r.peeked, true, nil
	}
	if r.l.closed.Load() {
		return Record{}, false, ErrClosed
	}
	rec, err := r.find()
	if err == io.EOF && !r.quiet {
		// Ask to be told, and look again for what came in between.
		r.waiting.Store(true)
		r.wanted.Store(true)
		rec, err = r.find()
		if err == io.EOF && r.l.hasUnsynced() {
			signal(r.l.soon)
		}
	}
	switch err {
	case nil:
		r.peeked, r.hasPeek = rec, true
		return rec, true, nil
	case io.EOF:
		return Record{}, false, nil
	}
	return Record{}, false, fmt.Errorf("spool: reading %s: %w", r.l.opts.Dir, err)
}

// Close closes the reader's file. The log must not be read any more.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	r.setReading(nil)
	err := r.file.Close()
	r.file, r.seg = nil, nil
	return err
}

func (r *Reader) setReading(f File) {
	if !r.quiet {
		r.l.mu.Lock()
		r.seg.reading = f
		r.l.mu.Unlock()
	}
}

// written is called after records have been written.
func (r *Reader) written() {
	if r.l.opts.Sync == SyncNone {
		r.visible()
	} else if r.wanted.Load() && r.wanted.Swap(false) {
		signal(r.l.soon)
	}
}

// visible is called after records may have become readable.
func (r *Reader) visible() {
	if r.waiting.Load() && r.waiting.Swap(false) {
		signal(r.more)
	}
}

// find returns the next record, or io.EOF if there is none to be had now.
func (r *Reader) find() (Record, error) {
	for {
		if r.seg == nil {
			if err := r.advance(); err != nil {
				return Record{}, err
			}
			continue
		}
		rec, err := r.scan.next()
		if r.scan.skipped > 0 {
			r.passedOver()
		}
		switch {
		case err == nil:
			r.failCount, r.blank, r.found = 0, sector, true
			if rec.Seq <= r.last {
				r.pending = nil // within what is delivered already
				continue
			}
			if r.pending != nil {
				r.settle(rec.Seq - 1)
			}
			r.last = rec.Seq
			return rec, nil
		case err != io.EOF:
			if !r.giveUpOn(err) {
				return Record{}, err
			}
			r.scan.blankOut(r.blank)
			r.failCount, r.blank = 0, min(2*r.blank, scanChunk)
		default:
			limit, last, end := r.l.limit(r.seg, r.quiet)
			if limit > r.tried {
				r.tried, r.scan.limit = limit, limit
				continue
			}
			if !end {
				return Record{}, io.EOF
			}
			r.finish(last)
		}
	}
}

// advance opens the next segment. It returns io.EOF if there is none.
func (r *Reader) advance() error {
	seg := r.l.segmentFor(r.prev, r.last)
	if seg == nil {
		return io.EOF
	}
	f, err := r.l.opts.FS.OpenFile(r.l.path(seg.name), os.O_RDONLY, 0)
	if err != nil {
		return r.openFailed(seg, err)
	}
	b := make([]byte, headerSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		_ = f.Close()
		return r.openFailed(seg, err)
	}
	h, ok := parseHeader(b[:n])
	if ok && h.secret != r.l.ident.secret {
		_ = f.Close()
		return r.drop(seg, DamageUnreadable, errors.New("segment of another log"))
	}
	r.prev = seg
	first, key := seg.first, seg.key
	if ok {
		r.settle(h.prevLast)
		first, key = h.first, r.l.ident.secret.key(h.first)
	} else {
		if r.pending != nil {
			r.settle(seg.first - 1)
		}
		r.report(Damage{File: seg.name, Bytes: headerSize, Reason: DamageHeader})
		r.mark(seg)
		if n < headerSize {
			// Cut so short that nothing is left to tell what it held. What is
			// missing up to the next segment is lost, or was refused.
			r.pending, r.blanks = &Damage{File: seg.name, Offset: int64(n), Reason: DamageMissing}, true
		}
	}
	limit, _, _ := r.l.limit(seg, r.quiet)
	r.seg, r.file, r.found, r.tried = seg, f, false, limit
	r.setReading(f)
	r.scan.reset(f, key, headerSize, limit, first, r.l.maxSeq(seg))
	return nil
}

func (r *Reader) openFailed(seg *segment, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r.drop(seg, DamageMissing, err)
	case permanent(err) && r.giveUpOn(err):
		return r.drop(seg, DamageUnreadable, err)
	}
	return err
}

// finish leaves a segment that is read to its end, at once, because an open file
// keeps its space. last is the last record that was written to it, 0 if that is
// not known.
func (r *Reader) finish(last uint64) {
	seg := r.seg
	if !r.found && r.pending != nil && !r.blanks && !r.quiet {
		bad := *r.pending
		r.pending = nil
		_ = r.Close()
		r.dropAs(seg, bad)
		return
	}
	if r.pending != nil && !r.blanks {
		r.mark(seg)
	}
	if last != 0 {
		r.settle(last)
	}
	_ = r.Close()
}

// drop gives a segment up that can't be read.
func (r *Reader) drop(seg *segment, reason DamageReason, err error) error {
	if r.quiet {
		if errors.Is(err, fs.ErrNotExist) { // delivered and removed meanwhile
			r.prev = seg
			if last := r.l.maxSeq(seg); last != math.MaxUint64 {
				r.last = max(r.last, last)
			}
			return nil
		}
		return err
	}
	limit, _, _ := r.l.limit(seg, r.quiet)
	r.dropAs(seg, Damage{File: seg.name, Bytes: limit, Reason: reason, Err: err})
	return nil
}

func (r *Reader) dropAs(seg *segment, d Damage) {
	r.failCount = 0
	r.prev = seg
	if d.Reason == DamageRecord {
		d.Reason = DamageUnreadable
	}
	var last uint64
	d.SetAsideAs, last = r.l.abandon(seg, d.Reason != DamageMissing)
	if r.pending != nil {
		r.settle(seg.first - 1)
	}
	r.pending, r.blanks = &d, false
	if last != 0 {
		r.settle(last)
	}
}

// passedOver notes bytes that are no record.
func (r *Reader) passedOver() {
	if r.pending == nil {
		r.pending = &Damage{File: r.seg.name, Offset: r.scan.skippedAt, Reason: DamageRecord}
		r.blanks = true
	}
	r.pending.Bytes += r.scan.skipped
	r.blanks = r.blanks && r.scan.blank
}

// settle accounts for all numbers up to and including upTo, a record that is
// known to have been written: those that were not returned are lost.
func (r *Reader) settle(upTo uint64) {
	d := r.pending
	r.pending = nil
	if upTo <= r.last && (d == nil || r.blanks) {
		return // blanks are a reserve that was not given back
	}
	if d == nil {
		// It names the segment in which they should have been.
		d = &Damage{File: segmentName(r.last + 1), Reason: DamageMissing}
		if r.prev != nil {
			d.File, d.Offset = r.prev.name, r.scan.pos
		}
	}
	if upTo > r.last {
		r.l.mu.Lock()
		counted := r.l.countedLost(r.last+1, upTo)
		r.l.mu.Unlock()
		d.Records = upTo - r.last - counted
		r.last = upTo
		if d.Records == 0 && d.Reason == DamageMissing {
			return // reported already
		}
	}
	if r.seg != nil {
		r.mark(r.seg)
	}
	r.report(*d)
}

func (r *Reader) mark(seg *segment) {
	if !r.quiet {
		r.l.markDamaged(seg)
	}
}

func (r *Reader) report(d Damage) {
	if !r.quiet {
		r.l.report(d)
	} else if r.onDamage != nil {
		r.onDamage(d)
	}
}

// giveUpOn says whether a spot has been unreadable long enough to go on without
// it. Only a file system that says that the data is gone is believed.
func (r *Reader) giveUpOn(err error) bool {
	if r.quiet || !permanent(err) {
		return false
	}
	now := r.l.opts.Now()
	if r.failCount == 0 {
		r.failing = now
	}
	r.failCount++
	return r.failCount >= readTries && now.Sub(r.failing) >= readPatience
}

// permanent tells errors of the medium from those of the process, such as too
// many open files or a missing permission, which an operator can mend.
func permanent(err error) bool {
	return slices.ContainsFunc(mediumErrors, func(e error) bool { return errors.Is(err, e) })
}
