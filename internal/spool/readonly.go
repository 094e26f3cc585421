package spool

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
)

// View is a spool opened to look at, without the lock: another process may be
// writing it. It changes nothing.
type View struct {
	dir string
	log *Log
	pos position
}

// OpenReadOnly opens the spool in dir to look at, with the keys that it was written
// with, if there are any. What is written later need not be seen.
func OpenReadOnly(dir string, keys ...*Key) (*View, error) {
	if dir == "" {
		return nil, errors.New("spool: dir is empty; it must name the folder the spool lives in")
	}
	o, err := Options{Dir: dir, Keys: keys}.withDefaults()
	if err != nil {
		return nil, err
	}
	was, err := readCursor(o.FS, dir)
	if err != nil {
		return nil, err
	}
	pos, ok := was.position, was.ok
	l := &Log{opts: o}
	if err := l.list(); err != nil {
		return nil, err
	}
	if !ok {
		if len(l.segments) == 0 {
			return nil, fmt.Errorf("spool: folder %s holds no spool: %w", dir, os.ErrNotExist)
		}
		if pos, ok, err = l.positionFromSegments(); err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("spool: folder %s has no cursor and no segment whose header can be read", dir)
		}
	}
	l.setIdentity(pos)
	if err := l.readSealed(); err != nil {
		return nil, err
	}
	return &View{dir: dir, log: l, pos: pos}, nil
}

// ID returns the log's identity, as Log.ID does.
func (v *View) ID() string { return v.log.id }

// Acked returns the number up to which records are delivered, as the cursor had
// it when the spool was opened.
func (v *View) Acked() uint64 { return v.pos.acked }

// DamageError is yielded by View.Records where records can't be read.
type DamageError struct{ Damage }

func (e *DamageError) Error() string { return "spool: " + e.String() }

func (e *DamageError) Unwrap() error { return e.Err }

// Records yields what is in the spool, oldest first, delivered records included
// as long as their segment is there. Damage is yielded as a *DamageError and
// does not end it; any other error does. A record's payload is valid until the
// next one.
func (v *View) Records() iter.Seq2[Record, error] { return v.Newest(math.MaxInt64) }

// Newest is Records of the newest segments, as many as have that many bytes
// together, and of one at least.
func (v *View) Newest(bytes int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		from := max(0, len(v.log.segments)-1)
		for from > 0 && v.log.segments[from].size+v.log.segments[from-1].size <= bytes {
			bytes -= v.log.segments[from].size
			from--
		}
		last := uint64(0)
		for _, seg := range v.log.segments[from:] {
			if !v.readSegment(seg, &last, yield) {
				return
			}
		}
	}
}

// readSegment yields one segment's records. last is the number before them.
func (v *View) readSegment(seg *segment, last *uint64, yield func(Record, error) bool) (more bool) {
	f, h, ok, err := v.log.openSegment(seg)
	var key frameKey
	var highest uint64
	if err == nil {
		key, highest, err = v.log.keyFor(seg, h, ok)
	}
	if errors.Is(err, os.ErrNotExist) { // delivered and removed meanwhile
		return true
	}
	if err != nil {
		closeIfOpen(f)
		yield(Record{}, err)
		return false
	}
	defer f.Close()
	if !ok && !yield(Record{}, &DamageError{Damage{File: seg.name, Bytes: headerSize, Reason: DamageHeader}}) {
		return false
	}
	*last = max(*last, h.first-1)
	var scan scanner
	scan.reset(f, key, headerSize, seg.size, h.first, highest)
	for {
		rec, err := scan.next()
		if scan.skipped > 0 && !scan.blank { // blanks are space set apart
			d := Damage{File: seg.name, Offset: scan.skippedAt, Bytes: scan.skipped, Reason: DamageRecord}
			if err == nil {
				d.Records = rec.Seq - *last - 1
			}
			if !yield(Record{}, &DamageError{d}) {
				return false
			}
		}
		if err == io.EOF {
			return true
		}
		*last = rec.Seq
		if !yield(rec, err) || err != nil {
			return false
		}
	}
}
