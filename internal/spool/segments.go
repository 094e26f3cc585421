package spool

import (
	"math"
	"slices"
)

// The list of segments, as readers see it.

// limit returns how far the reader may read seg, its last record if that is known,
// and whether there will never be more.
func (l *Log) limit(seg *segment) (limit int64, last uint64, end bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit = seg.synced
	if l.opts.Sync == SyncNone {
		limit = seg.size
	}
	return max(limit, headerSize), seg.last, seg.sealed && limit >= seg.size
}

// extent returns how far seg is written, and whether there will never be more.
func (l *Log) extent(seg *segment) (size int64, end bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return seg.size, seg.sealed
}

// setReading says through which file the reader reads seg.
func (l *Log) setReading(seg *segment, f File) {
	l.mu.Lock()
	seg.reading = f
	l.mu.Unlock()
}

// segmentFor returns the segment to read after prev. If that is nil, it is the
// one in which the record after acked lies.
func (l *Log) segmentFor(prev *segment, acked uint64) *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.segments {
		if prev != nil && (s == prev || s.first < prev.first) {
			continue
		}
		if prev == nil && i+1 < len(l.segments) && l.segments[i+1].first <= acked+1 {
			continue
		}
		return s
	}
	return nil
}

// maxSeq returns the highest number a record of seg can have.
func (l *Log) maxSeq(seg *segment) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		if s.first > seg.first {
			return s.first - 1
		}
	}
	return math.MaxUint64
}

// hasUnsynced tells whether a sync would give the reader more to read.
func (l *Log) hasUnsynced() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.segments)
	return l.opts.Sync != SyncNone && n > 0 && l.segments[n-1].synced < l.segments[n-1].size
}

func (l *Log) markDamaged(seg *segment) {
	l.mu.Lock()
	seg.damaged = true
	l.mu.Unlock()
}

// abandon takes a segment that can't be read off the list and sets its file
// aside, if there is one. It returns the new name and the last record that is
// known to have been in it.
func (l *Log) abandon(seg *segment, exists bool) (setAside string, last uint64) {
	l.wmu.Lock()
	if l.active == seg {
		l.seal(seg)
	}
	l.wmu.Unlock()
	l.mu.Lock()
	last = seg.last
	i := slices.Index(l.segments, seg)
	if i >= 0 {
		l.segments = slices.Delete(slices.Clone(l.segments), i, i+1)
	}
	l.mu.Unlock()
	if !exists {
		if i >= 0 { // else it is counted already
			l.used.Add(-seg.size)
		}
		return "", last
	}
	// If it can't even be renamed it stays, and is met again by the next Open.
	setAside, _ = l.setAside(seg.name, seg.size)
	return setAside, last
}

// report counts, logs and passes on a piece of damage. No lock is held.
func (l *Log) report(d Damage) {
	l.mu.Lock()
	l.stats.damage(d)
	l.mu.Unlock()
	log, what := l.opts.Logger.Error, "spool: damage found"
	if d.Records == 0 {
		log = l.opts.Logger.Warn
	}
	if d.Reason == DamageCopied {
		what = "spool: the folder is a copy, or was restored from one; new events get a log id of their own, those in it are delivered under the old one"
	}
	log(what, "dir", l.opts.Dir, "log_id", l.id, "file", d.File, "offset", d.Offset, "bytes", d.Bytes,
		"records_lost", d.Records, "reason", string(d.Reason), "set_aside_as", d.SetAsideAs, "error", d.Err)
	if l.opts.OnDamage != nil {
		l.opts.OnDamage(d)
	}
}
