package spool

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
)

// Open opens the spool in o.Dir, making it if need be. It reads the cursor, the
// list of segments and the newest one of them; so the time it takes does not
// grow with the backlog. The error matches ErrLocked if another process has the
// folder. Damage is reported, not returned.
func Open(o Options) (*Log, error) {
	l, err := load(o)
	if err != nil {
		return nil, err
	}
	go l.syncLoop()
	if l.bury() || l.hasUnsynced() {
		signal(l.kick)
	}
	return l, nil
}

// load is Open without the sync goroutine.
func load(o Options) (*Log, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	lock, err := takeDir(o)
	if err != nil {
		return nil, err
	}
	l := &Log{
		opts: o, lock: lock, gathering: newBatch(), round: newRound(), space: make(chan struct{}),
		kick: make(chan struct{}, 1), soon: make(chan struct{}, 1),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := l.recover(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	l.reader = newReader(l, l.acked.Load())
	return l, nil
}

// recover brings the log to the state in which the last process left it.
func (l *Log) recover() error {
	was, err := readCursor(l.opts.FS, l.opts.Dir)
	if err != nil {
		return err
	}
	pos := was.position
	if err := l.list(); err != nil {
		return err
	}
	if was.bad != nil && (was.ok || len(l.segments) > 0) {
		l.report(*was.bad)
	}
	if !was.ok {
		if pos, err = l.withoutCursor(); err != nil {
			return err
		}
	}
	l.setIdentity(pos)
	high, err := l.recoverTail(pos)
	if err != nil {
		return err
	}
	high = max(high, pos.high, pos.written, pos.acked)
	if pos.lastTime > l.lastTime {
		l.lastTime = pos.lastTime
	}
	l.lastWritten = l.lastTime
	l.nextSeq.Store(high + 1)
	l.acked.Store(pos.acked)
	for i, s := range l.segments {
		if i+1 < len(l.segments) && l.segments[i+1].first-1 <= pos.synced || s.last != 0 && s.last <= pos.synced {
			s.synced = s.size
		} else {
			s.synced, s.newborn = -1, true // neither it nor its name may be durable
		}
	}

	if was.isCopy() {
		pos.leaveOriginal(high)
		l.setIdentity(pos)
		l.report(Damage{File: cursorName, Reason: DamageCopied})
		was.ok = false // none of its slots is to be met again
	}
	pos.origin, pos.closed = was.at.ID, 0
	pos.high, pos.written, pos.lastTime, pos.clean = high, max(pos.written, l.last), l.lastTime, false
	l.cursor, err = openCursor(l.opts.FS, l.opts.Dir, was, pos)
	return err
}

// list finds the segments and what takes up room besides.
func (l *Log) list() error {
	entries, err := l.opts.FS.ReadDir(l.opts.Dir)
	if err != nil {
		return fmt.Errorf("spool: reading folder %s: %w", l.opts.Dir, err)
	}
	for _, e := range entries {
		name := e.Name()
		first, ok := parseSegmentName(name)
		if !ok && !strings.HasSuffix(name, badExt) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("spool: reading the size of %s: %w", l.path(name), err)
		}
		l.used.Add(info.Size())
		if ok && !plain(info) {
			return fmt.Errorf("spool: %s: %w", l.path(name), errNotPlain)
		}
		if ok {
			l.segments = append(l.segments, &segment{first: first, name: name, size: info.Size(), sealed: true})
		} else {
			l.stats.setAsideBytes += info.Size()
		}
	}
	slices.SortFunc(l.segments, func(a, b *segment) int { return cmp.Compare(a.first, b.first) })
	return nil
}

// withoutCursor makes up a position from the segments: everything there is will
// be read. If there are none, the log is new.
func (l *Log) withoutCursor() (position, error) {
	if pos, ok := l.positionFromSegments(); ok {
		return pos, nil
	}
	// Nothing tells the secret, so nothing of what is there can be read.
	var err error
	for _, s := range l.segments {
		d := Damage{File: s.name, Bytes: s.size, Reason: DamageUnreadable}
		if d.SetAsideAs, d.Err = l.setAside(s.name); d.Err != nil {
			return position{}, d.Err
		}
		l.report(d)
	}
	p := position{identity: newIdentity()}
	if n := len(l.segments); n > 0 {
		p.high = l.segments[n-1].first
		p.acked = p.high
	}
	l.segments = nil
	return p, err
}

// positionFromSegments takes the identity from the newest header that is whole.
func (l *Log) positionFromSegments() (position, bool) {
	for _, s := range slices.Backward(l.segments) {
		f, err := l.opts.FS.OpenFile(l.path(s.name), os.O_RDONLY, 0)
		if err != nil {
			continue
		}
		b := make([]byte, headerSize)
		n, _ := f.ReadAt(b, 0)
		_ = f.Close()
		if h, ok := parseHeader(b[:n]); ok {
			return position{identity: h.identity, acked: l.segments[0].first - 1}, true
		}
	}
	return position{}, false
}

func newIdentity() identity {
	var i identity
	_, _ = rand.Read(i.id[:]) // never fails
	_, _ = rand.Read(i.secret[:])
	for j := range i.secret[:4] {
		i.secret[j] |= 1 // a marker is never found among zeros
	}
	return i
}

// recoverTail finds the end of the newest segment that holds a record and cuts
// off what a crash left behind it. It returns the highest number that may have
// been given to a record. Where bytes are torn or can't be read, numbers are
// passed over rather than given twice.
func (l *Log) recoverTail(pos position) (high uint64, err error) {
	var torn []Damage
	for n := len(l.segments); n > 0 && l.last == 0; n = len(l.segments) {
		s := l.segments[n-1]
		t, err := l.scanTail(s)
		if err != nil {
			return 0, err
		}
		l.last, l.lastTime = t.last, t.lastTime
		if t.unreadable && pos.clean {
			t.starts = 0 // the cursor knows it all
		}
		high = max(high, max(t.last, s.first-1)+t.starts)
		if t.unreadable {
			// Only what can be read now is known. The reader tries again.
			if t.last == 0 {
				l.last = s.first - 1
			}
			break
		}
		d := Damage{File: s.name, Offset: t.end, Bytes: s.size - t.end, Reason: DamageTail}
		if t.last != 0 {
			s.last = t.last
			l.cutTail(s, t.end)
		} else {
			d.Offset, d.Bytes = 0, s.size
			l.segments = l.segments[:n-1]
			if s.size <= headerSize || t.starts == 0 && pos.written < s.first {
				err = l.removeSegment(s)
			} else {
				d.SetAsideAs, err = l.setAside(s.name)
				l.stats.setAsideBytes += s.size
			}
			if err != nil {
				return 0, err
			}
		}
		if t.starts > 0 {
			torn = append(torn, d)
		}
	}

	// The numbers lost at the end, by what is torn there and by what the cursor
	// knows to have been written.
	top := max(high, pos.written)
	lost := top - min(top, max(l.last, pos.acked))
	if len(torn) == 0 && lost > 0 {
		d := Damage{File: cursorName, Reason: DamageMissing}
		if n := len(l.segments); n > 0 {
			d.File, d.Offset = l.segments[n-1].name, l.segments[n-1].size
		}
		if n := len(l.segments); n == 0 || l.segments[n-1].last != 0 {
			torn = append(torn, d)
		}
	}
	for i, d := range torn {
		if i == 0 {
			d.Records = lost
		}
		l.report(d)
	}
	return top, nil
}

// tail is what recovery learns of a segment.
type tail struct {
	last       uint64 // last record, 0 if there is none
	lastTime   int64
	end        int64  // behind the last record
	starts     uint64 // records that may have been in what follows it
	unreadable bool   // the disk did not give all of it
}

func (l *Log) scanTail(s *segment) (tail, error) {
	t := tail{end: headerSize}
	f, err := l.opts.FS.OpenFile(l.path(s.name), os.O_RDONLY, 0)
	if err != nil {
		if !permanent(err) {
			return t, fmt.Errorf("spool: opening segment: %w", err)
		}
		t.unreadable = true
		t.starts = uint64(s.size / frameOverhead)
		return t, nil
	}
	defer f.Close()
	key := s.key
	b := make([]byte, headerSize)
	if n, err := f.ReadAt(b, 0); err == nil || err == io.EOF {
		if h, ok := parseHeader(b[:n]); ok {
			key = l.ident.secret.key(h.first)
		}
	}
	var scan scanner
	scan.reset(f, key, headerSize, s.size, s.first, math.MaxUint64)
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
