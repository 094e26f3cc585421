package spool

import (
	"slices"
	"syscall"
)

// faults makes some of the next calls fail, and at times the disk full.
func (h *history) faults() {
	from := h.fs.calls + 1 + h.rnd.IntN(30)
	to := from + 1 + h.rnd.IntN(20)
	err := []error{syscall.EIO, syscall.ENOSPC, errShort}[h.rnd.IntN(3)]
	only := []string{"", "", "write", "sync", "create", "reserve", "remove", "truncate"}[h.rnd.IntN(8)]
	h.fs.room = 0
	if h.rnd.IntN(3) == 0 {
		h.fs.room = h.fs.used() + int64(h.rnd.IntN(3*minSegmentBytes))
	}
	h.fs.fault = func(n int, op, name string) error {
		if n >= from && n < to && (only == "" || op == only) && op != "close" {
			return err
		}
		return nil
	}
	h.note("calls %d to %d fail: %s %v, room %d", from, to, only, err, h.fs.room)
}

// crash lets the process die within the next operations, at any call.
func (h *history) crash() {
	h.fs.room = 0
	if h.rnd.IntN(2) == 0 {
		at := h.fs.calls + 1 + h.rnd.IntN(12)
		h.fs.fault = func(n int, _, _ string) error {
			if n >= at {
				h.fs.dead = true
				return errDead
			}
			return nil
		}
		for range 8 {
			switch h.rnd.IntN(4) {
			case 0:
				h.turn()
			case 1:
				h.read(5)
			case 2:
				h.ack()
			default:
				h.append()
			}
			if h.fs.dead {
				break
			}
		}
	}
	power := h.rnd.IntN(2) == 0
	h.kill(power)
	clear(h.excused)
	switch h.rnd.IntN(6) {
	case 0, 1:
		h.damage()
	case 2:
		h.copy()
	}
	h.open()
	h.drainSome()
}

func (h *history) kill(power bool) {
	clear(h.excused)
	_ = h.l.reader.Close()
	if power {
		h.note("power cut")
		h.fs.powerCut(h.rnd)
		for seq := range h.must {
			if !h.durable[seq] {
				delete(h.must, seq)
			}
		}
		h.ackedMin = h.ackedDur
	} else {
		h.note("kill")
		h.fs.kill()
	}
	h.fs.dead = false
}

func (h *history) close() {
	h.fs.fault, h.fs.room = nil, 0
	h.turn()
	close(h.l.stopped) // there is no sync goroutine here
	if err := h.l.Close(); err != nil {
		h.failf("close: %v", err)
	}
	_ = h.l.reader.Close()
	h.note("close")
	clear(h.excused)
	switch h.rnd.IntN(6) {
	case 0, 1:
		h.damage()
	case 2:
		h.copy()
	}
	h.open()
	h.drainSome()
}

// copy puts everything on another machine.
func (h *history) copy() {
	h.note("copy")
	h.fs.origin++
	h.copied = true
}

// open opens the spool and checks where it takes up.
func (h *history) open() {
	first := h.l == nil
	var id string
	if !first {
		id = h.l.ID()
	}
	h.lost = 0
	h.fs.fault = nil
	l, err := load(h.o)
	if err != nil {
		h.failf("open: %v", err)
	}
	h.l = l
	s := l.acked.Load()
	h.note("open: next %d, acked %d, files %v", l.nextSeq.Load(), s, h.fs.names(segmentExt))
	cursorGone := h.cursorGone
	if h.cursorGone { // everything there is is read again; what is not was delivered
		h.cursorGone = false
		h.acked = max(h.acked, s)
	} else if s > h.acked {
		h.failf("cursor is at %d, beyond what was acknowledged: %d", s, h.acked)
	}
	if h.copied {
		h.copied = false
		prev, since := l.Predecessor()
		if l.ID() == id || prev != id || since != l.nextSeq.Load() {
			h.failf("a copy of %.6s is %.6s, after %.6s, from %d; the next number is %d", id, l.ID(), prev, since, l.nextSeq.Load())
		}
		h.ids = append(h.ids, id)
		id = l.ID()
	}
	if cursorGone && slices.Contains(h.ids, l.ID()) {
		id = l.ID() // nothing had been written yet under the copy's own
	}
	if !first && l.ID() != id {
		// The cursor was removed right after the power had taken the header
		// of the only segment, or damage had: a new log.
		if !cursorGone || len(h.must) > 0 && !h.segmentHurt {
			h.failf("identity changed")
		}
		clear(h.must)
		clear(h.durable)
		clear(h.doubtful)
		h.acked, h.ackedMin, h.ackedDur = s, 0, 0
		clear(h.tried)
		clear(h.exposed)
		clear(h.refused)
	}
	if s < h.ackedMin {
		h.failf("cursor is at %d, before %d", s, h.ackedMin)
	}
	h.lastRead = s
	h.lastTime = 0
	for seq := range h.must {
		if seq >= l.nextSeq.Load() {
			h.failf("record %d is accepted and the next number is %d", seq, l.nextSeq.Load())
		}
	}
	for seq := range h.exposed {
		if seq >= l.nextSeq.Load() && cursorGone && h.segmentHurt {
			delete(h.exposed, seq) // two files are damaged that both knew of it
		} else if seq >= l.nextSeq.Load() {
			h.failf("record %d is known outside and the next number is %d", seq, l.nextSeq.Load())
		}
	}
	for seq := range h.tried { // gone with the power; their numbers are free
		if seq >= l.nextSeq.Load() {
			h.unsure = append(h.unsure, h.tried[seq])
			delete(h.tried, seq)
			delete(h.refused, seq)
			delete(h.durable, seq)
			delete(h.doubtful, seq)
		}
	}
}
