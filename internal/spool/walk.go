package spool

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

const (
	// readPatience is how long an unreadable spot is tried again before it is
	// passed over.
	readPatience = time.Minute
	readTries    = 5
	sector       = 4 << 10
)

// walk is the reader's way through the segments, and what it learns of damage.
type walk struct {
	l      *Log
	ledger ledger

	seg   *segment // being read, nil between two
	file  File
	scan  scanner
	tried int64 // the limit it was scanned to; scan.limit is less if the file was shorter
	found bool  // a valid record was in it

	prev *segment // opened last

	unreadable patience
	passed     int64 // how much was passed over last, unread
}

// next returns the next record, or io.EOF if there is none to be had now.
func (w *walk) next() (Record, error) {
	for {
		if w.seg == nil {
			if err := w.enter(); err != nil {
				return Record{}, err
			}
			continue
		}
		rec, err := w.scan.next()
		if w.scan.skipped > 0 {
			w.ledger.passOver(w.seg.name, w.scan.skippedAt, w.scan.skipped, w.scan.blank)
		}
		switch {
		case err == nil:
			w.unreadable, w.passed, w.found = patience{}, 0, true
			if rec.Seq > w.ledger.last && w.ledger.damage != nil {
				w.account(rec.Seq - 1)
			} else if rec.prev > w.ledger.last && rec.prev < rec.Seq {
				w.account(rec.prev) // it was written, and taken out
			}
			if w.ledger.returned(rec.Seq) {
				return rec, nil
			}
		case err == io.EOF:
			limit, last, end := w.l.limit(w.seg)
			switch {
			case limit > w.tried:
				w.tried, w.scan.limit = limit, limit
			case !end:
				return Record{}, io.EOF
			default:
				w.finish(last)
			}
		case w.unreadable.ended(err, w.l.opts.Now()):
			w.passed = min(max(2*w.passed, sector), scanChunk)
			w.scan.blankOut(w.passed)
			w.unreadable = patience{}
		default:
			return Record{}, err
		}
	}
}

// enter opens the next segment. It returns io.EOF if there is none.
func (w *walk) enter() error {
	seg := w.l.segmentFor(w.prev, w.ledger.last)
	if seg == nil {
		return io.EOF
	}
	f, h, ok, err := w.l.openSegment(seg)
	var key frameKey
	highest := w.l.maxSeq(seg)
	if err == nil {
		var bound uint64
		key, bound, err = w.l.keyFor(seg, h, ok)
		highest = min(highest, bound)
	}
	if err == nil && ok && h.secret != w.l.ident.secret {
		_ = f.Close()
		w.giveUp(seg, Damage{Reason: DamageUnreadable, Err: errors.New("segment of another log")})
		return nil
	}
	if err != nil {
		closeIfOpen(f)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.giveUp(seg, Damage{Reason: DamageMissing, Err: err})
		return nil
	case err != nil && w.unreadable.ended(err, w.l.opts.Now()):
		w.giveUp(seg, Damage{Reason: DamageUnreadable, Err: err})
		return nil
	case err != nil:
		return err
	}
	w.prev = seg
	if ok {
		w.account(h.prevLast)
	} else {
		if w.ledger.damage != nil {
			w.account(seg.first - 1)
		}
		w.l.report(Damage{File: seg.name, Bytes: headerSize, Reason: DamageHeader})
		w.l.markDamaged(seg)
		if size, _ := w.l.extent(seg); size < headerSize {
			w.ledger.cutShort(seg.name, size)
		}
	}
	limit, _, _ := w.l.limit(seg)
	w.seg, w.file, w.found, w.tried = seg, f, false, limit
	w.l.setReading(seg, f)
	w.scan.reset(f, key, headerSize, limit, h.first, highest)
	return nil
}

// finish leaves a segment that is read to its end, at once, because an open file
// keeps its space. last is the last record that was written to it, 0 if that is
// not known.
func (w *walk) finish(last uint64) {
	seg, damage := w.seg, w.ledger.damage
	if !w.found && damage != nil && !w.ledger.zeros {
		w.ledger.damage = nil
		_ = w.leave()
		damage.Reason = DamageUnreadable
		w.giveUp(seg, *damage)
		return
	}
	if damage != nil && !w.ledger.zeros {
		w.l.markDamaged(seg)
	}
	if last != 0 {
		w.account(last)
	}
	_ = w.leave()
}

// leave closes the segment's file.
func (w *walk) leave() error {
	if w.file == nil {
		return nil
	}
	w.l.setReading(w.seg, nil)
	err := w.file.Close()
	w.file, w.seg = nil, nil
	return err
}

// giveUp goes on without a segment that is gone, or that can't be read and is set
// aside.
func (w *walk) giveUp(seg *segment, d Damage) {
	w.unreadable = patience{}
	w.prev = seg
	if w.ledger.damage != nil {
		w.account(seg.first - 1)
	}
	if d.File == "" {
		d.File = seg.name
		d.Bytes, _, _ = w.l.limit(seg)
	}
	var last uint64
	d.SetAsideAs, last = w.l.abandon(seg, d.Reason != DamageMissing)
	w.ledger.giveUp(d)
	if last != 0 {
		w.account(last)
	}
}

// account reports as lost what has not been returned of the numbers up to upTo, a
// record that is known to have been written.
func (w *walk) account(upTo uint64) {
	before := w.ledger.last
	d, ok := w.ledger.account(upTo)
	if !ok {
		return
	}
	if d.File == "" { // the segment in which they should have been
		d.File = segmentName(before + 1)
		if w.prev != nil {
			d.File, d.Offset = w.prev.name, w.scan.pos
		}
	}
	if d.Records > 0 {
		d.Records -= w.l.countedLost(before+1, upTo)
		if d.Records == 0 && d.Reason == DamageMissing {
			return // reported already
		}
	}
	if w.seg != nil {
		w.l.markDamaged(w.seg)
	}
	w.l.report(d)
}

// patience says when to stop trying what can't be read.
type patience struct {
	since time.Time
	tries int
}

// ended counts one more failure. Only a file system that says that the data is gone
// is believed, and not at once.
func (p *patience) ended(err error, now time.Time) bool {
	if !permanent(err) {
		return false
	}
	if p.tries == 0 {
		p.since = now
	}
	p.tries++
	return p.tries >= readTries && now.Sub(p.since) >= readPatience
}

// permanent tells errors of the medium from those of the process, such as too
// many open files or a missing permission, which an operator can mend.
func permanent(err error) bool {
	return slices.ContainsFunc(mediumErrors, func(e error) bool { return errors.Is(err, e) })
}

// openSegment opens a segment's file and reads its header; ok says that it is
// whole. The file is open, and to be closed, also if only the header can't be read,
// but not if its format is a newer one.
func (l *Log) openSegment(seg *segment) (f File, h header, ok bool, err error) {
	if f, err = l.opts.FS.OpenFile(l.path(seg.name), os.O_RDONLY, 0); err != nil {
		return nil, header{}, false, err
	}
	b := make([]byte, headerSize)
	n, err := f.ReadAt(b, 0)
	if err == io.EOF {
		err = nil
	}
	if h, ok = parseHeader(b[:n]); !ok {
		if v, newer := newerThan(segmentMark, b); newer {
			return nil, header{}, false, errors.Join(NewerFormat(l.path(seg.name), v, segmentMark[len(segmentMark)-1]), f.Close())
		}
		h.first = seg.first // as its name says
	}
	return f, h, ok && err == nil, err
}

func closeIfOpen(f File) {
	if f != nil {
		_ = f.Close()
	}
}
