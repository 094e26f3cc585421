package spool

import (
	"io"
	"math"
	"sync"
)

// probe finds the oldest record not yet delivered, for Stats. It reads every byte
// at most once more, and none while nothing is asked or nothing waits. What it
// can't read it leaves to the reader to report.
type probe struct {
	mu   sync.Mutex
	seg  *segment // nil if none is open
	prev *segment // opened last
	file File
	scan scanner
	seq  uint64 // of the last record read
	time int64  // its Time
	size int64  // its frame's
}

// oldest returns the Time of the first record that is not acknowledged, and
// where it lies. ok is false if there is none or it can't be read.
func (p *probe) oldest(l *Log) (time int64, segment uint64, offset int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for acked := l.acked.Load(); p.seg == nil || p.seq <= acked; {
		if p.seg == nil && !p.open(l, acked) {
			return 0, 0, 0, false
		}
		rec, err := p.scan.next()
		switch {
		case err == nil:
			p.seq, p.time, p.size = rec.Seq, rec.Time, p.scan.frame
		case err != io.EOF:
			p.leave()
			p.prev = nil // begin anew the next time
			return 0, 0, 0, false
		default:
			size, sealed := l.extent(p.seg)
			if size > p.scan.limit {
				p.scan.limit = size
			} else if !sealed {
				return 0, 0, 0, false
			} else {
				p.leave()
			}
		}
	}
	return p.time, p.seg.first, p.scan.pos - p.size, true
}

func (p *probe) open(l *Log, acked uint64) bool {
	seg := l.segmentFor(p.prev, acked)
	if seg == nil {
		return false
	}
	f, h, whole, err := l.openSegment(seg)
	var key frameKey
	if err == nil {
		key, _, err = l.keyFor(seg, h, whole)
	}
	if err != nil {
		closeIfOpen(f)
		return false
	}
	size, _ := l.extent(seg)
	p.seg, p.prev, p.file, p.seq = seg, seg, f, 0
	p.scan.reset(f, key, headerSize, size, h.first, math.MaxUint64)
	return true
}

func (p *probe) leave() {
	if p.file != nil {
		_ = p.file.Close()
	}
	p.seg, p.file = nil, nil
}

func (p *probe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave()
	p.prev = nil
}
