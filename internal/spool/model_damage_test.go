package spool

import (
	"bytes"
	"slices"
)

// damage changes one file and forgives the loss of the records it touches.
func (h *history) damage() {
	names := h.fs.names(segmentExt)
	if h.rnd.IntN(4) == 0 || len(names) == 0 {
		h.damageCursor()
		return
	}
	name := names[h.rnd.IntN(len(names))]
	first, _ := parseSegmentName(name)
	data := slices.Clone(h.fs.file(name).data)
	if len(data) == 0 {
		return
	}
	at := h.rnd.IntN(len(data))
	var from, to int
	switch h.rnd.IntN(4) {
	case 0:
		from, to = at, at+1
		h.fs.damage(name, func(b []byte) []byte { b[at] ^= 1 << h.rnd.IntN(8); return b })
	case 1:
		from, to = at, len(data)
		h.fs.damage(name, func(b []byte) []byte { return b[:at] })
	case 2:
		from, to = at, min(len(data), at+1+h.rnd.IntN(3000))
		h.fs.damage(name, func(b []byte) []byte { clear(b[from:to]); return b })
	case 3:
		from, to = at, min(len(data), at+1+h.rnd.IntN(3000))
		h.fs.damage(name, func(b []byte) []byte {
			for i := range b[from:to] {
				b[from+i] = byte(h.rnd.Uint32())
			}
			return b
		})
	}
	h.segmentHurt = true
	h.note("damage %s from %d to %d", name, from, to)
	h.forgive(name, first, data, from, to)
}

// forgive takes the records in data[from:to] off the list of those that must be
// there. They must be reported as lost unless the cursor has not heard of them,
// as after a crash: cut off, they leave no trace.
func (h *history) forgive(name string, first uint64, before []byte, from, to int) {
	var s scanner
	s.reset(bytes.NewReader(before), h.l.ident.secret.key(first), headerSize, int64(len(before)), first, ^uint64(0))
	pos, _ := readCursor(h.fs, h.o.Dir)
	for {
		rec, err := s.next()
		if err != nil {
			return
		}
		if end := int(s.pos); end > from && end-int(s.frame) < to {
			if rec.Seq > pos.written {
				delete(h.exposed, rec.Seq)
			} else if h.must[rec.Seq] && rec.Seq > pos.acked {
				h.excused[rec.Seq] = true
			}
			delete(h.must, rec.Seq)
		}
	}
}

func (h *history) damageCursor() {
	if len(h.fs.names(segmentExt)) == 0 {
		return // it would be a new spool
	}
	f := h.fs.file(cursorName)
	switch h.rnd.IntN(3) {
	case 0: // one slot, any byte
		at := h.rnd.IntN(slotSize) + slotStride*h.rnd.IntN(slots)
		h.fs.damage(cursorName, func(b []byte) []byte { b[at] ^= 0x55; return b })
		h.note("damage cursor at %d", at)
	case 1:
		at := h.rnd.IntN(len(f.data))
		h.fs.damage(cursorName, func(b []byte) []byte { return b[:at] })
		h.note("cut cursor to %d", at)
	case 2:
		h.note("remove cursor")
		h.fs.mu.Lock()
		delete(h.fs.dir, cursorName)
		delete(h.fs.durable, cursorName)
		h.fs.mu.Unlock()
	}
	h.cursorGone = true
	// What was delivered may be read again, or be gone.
	h.ackedMin, h.ackedDur = 0, 0
	for seq := range h.must {
		if seq <= h.acked {
			delete(h.must, seq)
		}
	}
}
