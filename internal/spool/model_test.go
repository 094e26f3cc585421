package spool

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
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
