package spool

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	modelSeed      = flag.Uint64("spool.seed", 0, "run the one history of TestModel with this seed")
	modelHistories = flag.Int("spool.histories", 2000, "histories TestModel runs")
)

// TestModel drives random histories of appends, reads, acknowledgements, syncs,
// failing calls, crashes in the middle of any call (of the process, and of the
// machine) and damage, and compares with a model that is no more than maps of
// what must, may and must not be there. A failing history names its seed.
func TestModel(t *testing.T) {
	if *modelSeed != 0 {
		newHistory(t, *modelSeed).run()
		return
	}
	start := uint64(time.Now().UnixNano())
	for i := range uint64(*modelHistories) {
		newHistory(t, start+i).run()
		if t.Failed() {
			return
		}
	}
}

type history struct {
	t    *testing.T
	seed uint64
	rnd  *rand.Rand
	fs   *memFS
	o    Options
	now  time.Time
	l    *Log
	log  []string

	tried       map[uint64]string // by number: payloads that may be there
	must        map[uint64]bool   // accepted: there unless lost in a way the model allows
	durable     map[uint64]bool   // of those, the ones an fsync covers
	doubtful    map[uint64]bool   // accepted, and the fsync that should have covered them failed
	exposed     map[uint64]string // handed out by the reader while durable: never another's number
	refused     map[uint64]bool
	unsure      []string // payloads of calls that a crash interrupted
	cursorGone  bool     // damaged since the last Open
	ids         []string // of originals
	copied      bool     // since the last Open
	segmentHurt bool     // some time
	acked       uint64   // highest number passed to Ack
	ackedMin    uint64   // highest number that Ack has noted
	ackedDur    uint64   // highest number a synced cursor has
	lastRead    uint64
	lastTime    int64
	excused     map[uint64]bool // touched by damage, not read, to be reported as lost
	lost        uint64          // records reported as lost, since the last Open
	count       int
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)), fs: newMemFS(),
		now: time.Unix(1_800_000_000, 0), tried: map[uint64]string{}, must: map[uint64]bool{},
		durable: map[uint64]bool{}, doubtful: map[uint64]bool{}, exposed: map[uint64]string{}, refused: map[uint64]bool{}, excused: map[uint64]bool{}}
	h.fs.origin = 1
	h.fs.direct = h.rnd.IntN(2) == 0
	h.o = Options{Dir: "spool", FS: h.fs, SegmentBytes: minSegmentBytes, MaxBytes: int64(4+h.rnd.IntN(12)) * minSegmentBytes,
		Sync: SyncPolicy(2 * h.rnd.IntN(2)), Now: func() time.Time { return h.now },
		OnDamage: func(d Damage) { h.lost += d.Records; h.note("damage: %v", d) }}
	return h
}

func (h *history) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

func (h *history) failf(format string, args ...any) {
	h.t.Helper()
	h.t.Fatalf("%s\nrun again with -run TestModel -spool.seed=%d\n%s", fmt.Sprintf(format, args...), h.seed,
		strings.Join(h.log[max(0, len(h.log)-60):], "\n"))
}

func (h *history) run() {
	h.open()
	for range 20 + h.rnd.IntN(120) {
		h.now = h.now.Add(time.Duration(h.rnd.IntN(50)) * time.Millisecond)
		switch h.rnd.IntN(20) {
		case 0, 1, 2, 3, 4, 5, 6, 7, 8:
			for range 1 + h.rnd.IntN(6) {
				h.append()
			}
		case 9, 10, 11:
			h.turn()
		case 12, 13, 14:
			h.read(h.rnd.IntN(60))
		case 15, 16:
			h.read(h.rnd.IntN(100))
			h.ack()
		case 17:
			h.faults()
		case 18:
			h.crash()
		case 19:
			h.close()
		}
	}
	h.fs.fault = nil
	h.fs.room = 0
	h.kill(false)
	h.open()
	h.drain()
	if s := h.l.Stats(); s.BacklogEvents != 0 && s.BacklogEvents > s.NextSeq-1-s.AckedSeq {
		h.failf("backlog is %+v", s)
	}
}

func (h *history) append() {
	h.count++
	payload := fmt.Sprintf("%d %s", h.count, strings.Repeat("x", h.rnd.IntN(1200)))
	if h.rnd.IntN(30) == 0 {
		payload += strings.Repeat("y", minSegmentBytes) // too large
	}
	rec, err := h.l.Append(context.Background(), h.now, []byte(payload))
	if h.fs.crashed() {
		h.unsure = append(h.unsure, payload)
		h.note("append %d: crash", h.count)
		return
	}
	if old, ok := h.exposed[rec.Seq]; ok {
		h.failf("number %d is given again, to %.10q after %.10q", rec.Seq, payload, old)
	}
	if rec.Seq == 0 || h.must[rec.Seq] || h.refused[rec.Seq] {
		h.failf("number %d is given again", rec.Seq)
	}
	h.tried[rec.Seq] = payload
	var refused *RefusedError
	switch {
	case err == nil:
		h.must[rec.Seq] = true
		h.note("append %d (%d bytes) is %d", h.count, len(payload), rec.Seq)
	case errors.As(err, &refused):
		h.refused[rec.Seq] = true
		h.note("append %d: %v", h.count, err)
	default:
		h.failf("append: %v", err)
	}
}

func (h *history) turn() {
	r := h.l.round
	h.l.runRound(true)
	if h.fs.crashed() {
		h.note("turn: crash")
		return
	}
	h.note("turn: %v", r.err)
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	for seq := range h.must {
		for _, s := range slices.Concat(h.l.segments, h.l.retired) {
			if s.syncErr != nil && s.first <= seq && seq > s.syncedTo && seq <= s.last {
				// Another fsync, by the next process, proves nothing.
				h.doubtful[seq] = true
			}
			if !h.doubtful[seq] && s.first <= seq && seq <= s.syncedTo && (s.last == 0 || seq <= s.last) {
				h.durable[seq] = true
			}
		}
	}
	if r.err == nil {
		h.ackedDur = max(h.ackedDur, h.l.acked.Load())
		h.ackedMin = max(h.ackedMin, h.l.acked.Load())
	}
}

func (h *history) read(n int) (got int) {
	for range n {
		rec, ok, err := h.l.Reader().TryNext()
		if h.fs.crashed() {
			return got
		}
		if err != nil {
			h.note("read: %v", err)
			return got
		}
		if !ok {
			return got
		}
		got++
		h.check(rec)
	}
	return got
}

func (h *history) check(rec Record) {
	if rec.Seq <= h.lastRead {
		h.failf("record %d is read after %d", rec.Seq, h.lastRead)
	}
	if rec.Time <= h.lastTime {
		h.failf("record %d has time %d, the one before it %d", rec.Seq, rec.Time, h.lastTime)
	}
	want, ok := h.tried[rec.Seq]
	if !ok {
		i := slices.Index(h.unsure, string(rec.Payload))
		if i < 0 {
			h.failf("record %d (%.10q) was never appended", rec.Seq, rec.Payload)
		}
		want = h.unsure[i]
		h.tried[rec.Seq] = want
	}
	if want != string(rec.Payload) {
		h.failf("record %d is %.10q, want %.10q", rec.Seq, rec.Payload, want)
	}
	for seq := h.lastRead + 1; seq < rec.Seq; seq++ {
		if h.must[seq] {
			h.failf("record %d is lost", seq)
		}
	}
	delete(h.excused, rec.Seq)
	h.lastRead, h.lastTime = rec.Seq, rec.Time
	if h.o.Sync != SyncNone && h.durable[rec.Seq] {
		h.exposed[rec.Seq] = want
	}
}

func (h *history) ack() {
	read := h.l.Reader().read.Load()
	if read == h.l.acked.Load() {
		return
	}
	seq := read - h.rnd.Uint64N(read-h.l.acked.Load())
	err := h.l.Ack(seq)
	h.acked = max(h.acked, seq)
	h.note("ack %d: %v", seq, err)
	if err == nil && !h.fs.crashed() {
		h.ackedMin = max(h.ackedMin, seq)
	}
}

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

// drainSome reads all there is, mostly, and checks that nothing is missing.
func (h *history) drainSome() {
	if h.rnd.IntN(3) > 0 {
		h.drain()
	}
}

func (h *history) drain() {
	h.fs.fault, h.fs.room = nil, 0
	for {
		h.turn()
		if h.read(1000) == 0 {
			break
		}
	}
	for seq := range h.must {
		if seq > h.lastRead {
			h.failf("record %d is lost", seq)
		}
	}
	if n := uint64(len(h.excused)); n > h.lost {
		h.failf("damage lost %d records, %d are reported: %v", n, h.lost, slices.Sorted(maps.Keys(h.excused)))
	}
	clear(h.excused)
	if rec, ok, err := h.l.reader.Peek(); ok || err != nil {
		h.failf("after the end: %v %v", rec, err)
	}
}

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
		if end := int(s.pos); end > from && end-int(frameSize(len(rec.Payload))) < to {
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
