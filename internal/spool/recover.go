package spool

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
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
	if o.Found != nil {
		o.Found(&View{dir: o.Dir, log: l, pos: position{acked: l.acked.Load()}})
	}
	go l.syncLoop()
	if l.retire() || l.hasUnsynced() {
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
	l.opened = Opened{New: !was.ok && len(l.segments) == 0, Clean: was.ok && pos.clean}
	if !was.ok {
		if pos, err = l.withoutCursor(); err != nil {
			return err
		}
	}
	l.setIdentity(pos)
	if err := l.readSealed(); err != nil {
		return err
	}
	high, err := l.recoverTail(pos)
	if err != nil {
		return err
	}
	high = max(high, pos.high, pos.written, pos.acked)
	if l.opts.Seen != nil {
		if seen, ok := l.opts.Seen(l.id); ok {
			l.opened.SetBack = seen > high
			high = max(high, seen)
			pos.acked = l.readAgain(pos.acked, seen)
		}
	}
	if pos.lastTime > l.lastTime {
		l.lastTime = pos.lastTime
	}
	l.lastWritten, l.lastRecord = l.lastTime, l.last
	l.nextSeq.Store(high + 1)
	l.acked.Store(pos.acked)
	l.opened.Backlog = l.backlog()
	for i, s := range l.segments {
		if i+1 < len(l.segments) && l.segments[i+1].first-1 <= pos.synced || s.last != 0 && s.last <= pos.synced {
			s.synced = s.size
		} else {
			s.synced, s.unnamed = -1, true // neither it nor its name may be durable
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
	if l.cursor, err = openCursor(l.opts.FS, l.opts.Dir, was, pos); err != nil {
		return err
	}
	if err := l.writeSealed(high + 1); err != nil {
		return errors.Join(err, l.cursor.file.Close())
	}
	return nil
}

// readAgain returns the number behind which reading begins, if the caller has not
// seen all that is acknowledged: as far back as records are there.
func (l *Log) readAgain(acked, seen uint64) uint64 {
	if seen >= acked || len(l.segments) == 0 {
		return acked
	}
	return min(acked, max(seen, l.segments[0].first-1))
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
			l.stats.setAsideBytes.Add(info.Size())
		}
	}
	slices.SortFunc(l.segments, func(a, b *segment) int { return cmp.Compare(a.first, b.first) })
	return nil
}

// withoutCursor makes up a position from the segments: everything there is will
// be read. If there are none, the log is new.
func (l *Log) withoutCursor() (position, error) {
	pos, ok, err := l.positionFromSegments()
	if ok || err != nil {
		return pos, err
	}
	// Nothing tells the secret, so nothing of what is there can be read.
	for _, s := range l.segments {
		d := Damage{File: s.name, Bytes: s.size, Reason: DamageUnreadable}
		if d.SetAsideAs, d.Err = l.setAside(s.name, s.size); d.Err != nil {
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
	return p, nil
}

// positionFromSegments takes the identity from the newest header that is whole.
func (l *Log) positionFromSegments() (p position, ok bool, err error) {
	for _, s := range slices.Backward(l.segments) {
		f, h, ok, err := l.openSegment(s)
		closeIfOpen(f)
		if errors.Is(err, ErrFormat) {
			return position{}, false, fmt.Errorf("spool: %w", err)
		}
		if err == nil && ok {
			return position{identity: h.identity, acked: l.segments[0].first - 1}, true, nil
		}
	}
	return position{}, false, nil
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
