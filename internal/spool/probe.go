package spool

import "sync"

// probe is a second, silent reader that Stats moves to the oldest record not yet
// delivered. It reads every byte at most once more, and none while nothing is
// asked or nothing waits.
type probe struct {
	mu sync.Mutex
	r  *Reader
}

// oldest returns the Time of the first record that is not acknowledged, and
// where it lies. ok is false if there is none or it can't be read.
func (p *probe) oldest(l *Log) (time int64, segment uint64, offset int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	acked := l.acked.Load()
	if p.r == nil {
		p.r = newReader(l, acked, true)
	}
	for {
		rec, ok, err := p.r.Peek()
		if err != nil {
			// Begin anew the next time, from the cursor.
			_ = p.r.Close()
			p.r = nil
			return 0, 0, 0, false
		}
		if !ok {
			return 0, 0, 0, false
		}
		if rec.Seq > acked {
			return rec.Time, p.r.seg.first, p.r.scan.pos - frameSize(len(rec.Payload)), true
		}
		p.r.hasPeek = false
	}
}

func (p *probe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.r != nil {
		_ = p.r.Close()
		p.r = nil
	}
}
