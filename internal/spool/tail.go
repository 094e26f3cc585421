package spool

import (
	"fmt"
	"io"
	"os"
)

// The end of the log, as a process that died has left it.

// recoverTail finds the newest segment that holds a record and cuts off what a
// crash has left behind it. It returns the highest number that may have been given
// to a record. Where bytes are torn or can't be read, numbers are passed over
// rather than given twice.
func (l *Log) recoverTail(pos position) (high uint64, err error) {
	var torn []Damage
	unreadable := false
	for n := len(l.segments); n > 0 && l.last == 0 && !unreadable; n = len(l.segments) {
		s := l.segments[n-1]
		t, err := l.scanTail(s)
		if err != nil {
			return 0, err
		}
		if unreadable = t.unreadable; unreadable && pos.clean {
			t.starts = 0 // the cursor knows it all
		}
		high = max(high, max(t.last, s.first-1)+t.starts)
		l.last, l.lastTime = t.last, t.lastTime
		if unreadable {
			// Only what can be read now is known. The reader tries again.
			if t.last == 0 {
				l.last = s.first - 1
			}
			break
		}
		d, err := l.endSegment(s, t, pos)
		if err != nil {
			return 0, err
		}
		if t.starts > 0 {
			torn = append(torn, d)
		}
	}
	high = max(high, pos.written)
	l.reportTail(torn, min(high, max(l.last, pos.acked)), high)
	return high, nil
}

// tail is what recovery learns of a segment.
type tail struct {
	last       uint64 // last record, 0 if there is none
	lastTime   int64
	end        int64  // behind the last record
	starts     uint64 // records that may have been in what follows it
	unreadable bool   // the disk did not give all of it
}

// endSegment ends the newest segment behind its last record. If it has none it is
// taken off the list: removed if there was nothing in it, else set aside. d is the
// damage, if what is behind has beginnings of records.
func (l *Log) endSegment(s *segment, t tail, pos position) (d Damage, err error) {
	d = Damage{File: s.name, Offset: t.end, Bytes: s.size - t.end, Reason: DamageTail}
	if t.last != 0 {
		s.last = t.last
		l.cutTail(s, t.end)
		return d, nil
	}
	d.Offset, d.Bytes = 0, s.size
	l.segments = l.segments[:len(l.segments)-1]
	if s.size <= headerSize || t.starts == 0 && pos.written < s.first {
		err = l.removeSegment(s)
	} else {
		d.SetAsideAs, err = l.setAside(s.name, s.size)
	}
	return d, err
}

// reportTail reports what was torn off the end, and the records lost there. If
// nothing is torn, and there is no later segment by which the reader would notice,
// only the cursor knows that there were some.
func (l *Log) reportTail(torn []Damage, from, to uint64) {
	lost := to - from
	if len(torn) == 0 && lost > 0 {
		d := Damage{File: cursorName, Reason: DamageMissing}
		n := len(l.segments)
		if n > 0 {
			d.File, d.Offset = l.segments[n-1].name, l.segments[n-1].size
		}
		if n == 0 || l.segments[n-1].last != 0 {
			torn = append(torn, d)
		}
	}
	for i, d := range torn {
		if i == 0 && lost > 0 {
			d.Records, d.First, d.Last = lost, from+1, to
		}
		l.report(d)
	}
}

func (l *Log) scanTail(s *segment) (tail, error) {
	t := tail{end: headerSize}
	f, h, whole, err := l.openSegment(s)
	if f == nil {
		if !permanent(err) {
			return t, fmt.Errorf("spool: opening segment: %w", err)
		}
		t.unreadable = true
		t.starts = uint64(s.size / frameOverhead)
		return t, nil
	}
	defer f.Close() // what of it can be read is, with or without its header
	key, highest, err := l.keyFor(s, h, whole)
	if err != nil {
		return t, err
	}
	var scan scanner
	scan.reset(f, key, headerSize, s.size, s.first, highest)
	for {
		rec, err := scan.next()
		switch {
		case err == nil:
			t.last, t.lastTime, t.end, t.starts = rec.Seq, rec.Time, scan.pos, 0
		case err == io.EOF:
			if !scan.blank && (scan.starts > 0 || !unfinished(f, t.end)) {
				t.starts += max(1, scan.starts)
			}
			return t, nil
		case permanent(err):
			t.unreadable = true
			t.starts += sector / frameOverhead
			scan.blankOut(sector)
		default:
			return t, fmt.Errorf("spool: reading segment %s: %w", l.path(s.name), err)
		}
	}
}

// unfinished tells that what is at end is a record that was being copied when the
// process was killed: its marker comes last. Nobody has heard of its number.
func unfinished(f File, end int64) bool {
	var mark [4]byte
	n, err := f.ReadAt(mark[:], end)
	return n == len(mark) && err == nil && mark == [4]byte{}
}

// cutTail ends a segment after its last record. If the file can't be cut, what
// is behind is met again, and reported, when another segment has followed.
func (l *Log) cutTail(s *segment, end int64) {
	if s.size == end {
		return
	}
	if f, err := l.opts.FS.OpenFile(l.path(s.name), os.O_RDWR, 0); err == nil {
		_ = f.Truncate(end)
		_ = f.Close()
	}
	l.used.Add(end - s.size)
	s.size = end
}
