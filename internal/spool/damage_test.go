package spool

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// The damage tests build one small spool in memory, do one thing to it, and
// expect that at most the records touched are lost, that the loss is reported
// with file and offset, and that everything else is read.

const spoolDir = "spool"

// built is a closed spool with records 1 to n over several segments.
// plainAndSealed runs a test with records that are not encrypted, and that are.
func plainAndSealed(t *testing.T, f func(t *testing.T, keys ...*Key)) {
	t.Run("plain", func(t *testing.T) { f(t) })
	t.Run("sealed", func(t *testing.T) { f(t, testKey(t, 1)) })
}

type built struct {
	files   map[string][]byte
	records map[uint64]string
	id      string
	acked   uint64
	keys    []*Key
}

func build(t testing.TB, n int, acked uint64, keys ...*Key) built {
	t.Helper()
	m := newMemFS()
	l, err := Open(Options{Dir: spoolDir, FS: m, SegmentBytes: minSegmentBytes, SyncInterval: time.Hour, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	b := built{records: map[uint64]string{}, id: l.ID(), acked: acked, keys: keys}
	for i := range n {
		payload := fmt.Sprintf("event %d %s", i+1, strings.Repeat("z", 40*(i%7)))
		rec := mustAppend(t, l, payload)
		b.records[rec.Seq] = payload
	}
	if acked > 0 {
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range acked {
			next(t, l.Reader())
			b.acked = i + 1
		}
		if err := l.Ack(acked); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b.files = map[string][]byte{}
	for name, f := range m.dir {
		b.files[name] = bytes.Clone(f.data)
	}
	return b
}

func (b built) segments() []string {
	names := slices.Sorted(maps.Keys(b.files))
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, segmentExt) })
}

// reopen puts the files, changed, on a new disk and reads everything.
func (b built) reopen(t testing.TB, change func(files map[string][]byte)) outcome {
	t.Helper()
	files := map[string][]byte{}
	for name, data := range b.files {
		files[name] = bytes.Clone(data)
	}
	change(files)
	m := newMemFS()
	for name, data := range files {
		f := &inode{data: data, durable: bytes.Clone(data)}
		m.dir[name], m.durable[name] = f, f
	}
	o := outcome{t: t, b: b, read: map[uint64]bool{}, fs: m}
	l, err := load(Options{Dir: spoolDir, FS: m, SegmentBytes: minSegmentBytes, Keys: b.keys, OnDamage: func(d Damage) {
		o.damage = append(o.damage, d)
		o.lost += d.Records
	}})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	o.id, o.acked = l.ID(), l.acked.Load()
	l.runRound(true)
	last := o.acked
	for {
		rec, ok, err := l.Reader().TryNext()
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if !ok {
			break
		}
		if rec.Seq <= last || b.records[rec.Seq] != string(rec.Payload) {
			t.Fatalf("read record %d %q after %d", rec.Seq, rec.Payload, last)
		}
		last = rec.Seq
		o.read[rec.Seq] = true
	}
	// The spool goes on: the next record gets a new number and is read.
	rec, err := l.Append(t.Context(), time.Unix(1_900_000_000, 0), []byte("next"))
	if err != nil || b.records[rec.Seq] != "" {
		t.Fatalf("appending gave number %d: %v", rec.Seq, err)
	}
	l.runRound(true)
	if got, ok, err := l.Reader().TryNext(); !ok || got.Seq != rec.Seq {
		t.Fatalf("read %v %v %v, want record %d", got, ok, err, rec.Seq)
	}
	close(l.stopped)
	_ = l.Close()
	_ = l.Reader().Close()
	return o
}

type outcome struct {
	t      testing.TB
	b      built
	id     string
	acked  uint64
	read   map[uint64]bool
	damage []Damage
	lost   uint64
	fs     *memFS
}

func (o outcome) missing() (seqs []uint64) {
	for seq := range o.b.records {
		if seq > o.b.acked && !o.read[seq] {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return seqs
}

// want checks that no record is missing but some of allowed, and that exactly
// the missing ones are counted as lost.
func (o outcome) want(what string, allowed ...uint64) {
	o.t.Helper()
	missing := o.missing()
	for _, seq := range missing {
		if !slices.Contains(allowed, seq) {
			o.t.Fatalf("%s: record %d is lost, only %v may be; damage: %v", what, seq, allowed, o.damage)
		}
	}
	if o.lost != uint64(len(missing)) {
		o.t.Fatalf("%s: %d records are missing, %d reported: %v", what, len(missing), o.lost, o.damage)
	}
	if o.id != o.b.id {
		o.t.Fatalf("%s: identity changed", what)
	}
}

// frames returns where the records of a segment lie: number and bytes.
func (b built) frames(name string) (list []struct {
	seq      uint64
	from, to int
}) {
	data := b.files[name]
	h, _ := parseHeader(data)
	var s scanner
	s.reset(bytes.NewReader(data), h.secret.key(h.first), headerSize, int64(len(data)), h.first, ^uint64(0))
	for {
		rec, err := s.next()
		if err != nil {
			return list
		}
		list = append(list, struct {
			seq      uint64
			from, to int
		}{rec.Seq, int(s.pos - s.frame), int(s.pos)})
	}
}

// touched returns the numbers of the records that lie in data[from:to].
func (b built) touched(name string, from, to int) (seqs []uint64) {
	for _, f := range b.frames(name) {
		if f.to > from && f.from < to {
			seqs = append(seqs, f.seq)
		}
	}
	return seqs
}

// reported tells that some damage names the file, at or before the offset.
func (o outcome) reported(name string, at int) bool {
	return slices.ContainsFunc(o.damage, func(d Damage) bool { return d.File == name && d.Offset <= int64(at) })
}

func TestEveryByteFlipped(t *testing.T) { plainAndSealed(t, everyByteFlipped) }

func everyByteFlipped(t *testing.T, keys ...*Key) {
	b := build(t, 50, 0, keys...)
	if len(b.segments()) < 3 {
		t.Fatalf("only %d segments", len(b.segments()))
	}
	for _, name := range b.segments() {
		for at := range b.files[name] {
			mask := []byte{0x01, 0x80, 0xff}[at%3]
			what := fmt.Sprintf("%s byte %d ^ %#x", name, at, mask)
			o := b.reopen(t, func(files map[string][]byte) { files[name][at] ^= mask })
			o.want(what, b.touched(name, at, at+1)...)
			if !o.reported(name, at) {
				t.Fatalf("%s: not reported: %v", what, o.damage)
			}
		}
	}
}

func TestEveryByteOfTheCursorFlipped(t *testing.T) { plainAndSealed(t, everyByteOfTheCursorFlipped) }

func everyByteOfTheCursorFlipped(t *testing.T, keys ...*Key) {
	b := build(t, 50, 25, keys...)
	for at := range b.files[cursorName] {
		o := b.reopen(t, func(files map[string][]byte) { files[cursorName][at] ^= 0x55 })
		what := fmt.Sprintf("cursor byte %d", at)
		o.want(what)
		inSlot := at%slotStride < slotSize
		if inSlot != o.reported(cursorName, at) {
			t.Fatalf("%s: reported %v", what, o.damage)
		}
	}
}

func TestEveryOffsetCut(t *testing.T) { plainAndSealed(t, everyOffsetCut) }

func everyOffsetCut(t *testing.T, keys ...*Key) {
	b := build(t, 50, 0, keys...)
	for _, name := range b.segments() {
		size := len(b.files[name])
		for at := range size {
			o := b.reopen(t, func(files map[string][]byte) { files[name] = files[name][:at] })
			what := fmt.Sprintf("%s cut at %d of %d", name, at, size)
			o.want(what, b.touched(name, at, size)...)
			if len(o.missing()) > 0 && len(o.damage) == 0 {
				t.Fatalf("%s: not reported", what)
			}
		}
	}
}

func TestTails(t *testing.T) { plainAndSealed(t, tails) }

func tails(t *testing.T, keys ...*Key) {
	b := build(t, 50, 0, keys...)
	garbage := func(n int) []byte {
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(i*7 + 13)
		}
		return p
	}
	for _, name := range b.segments() {
		size := len(b.files[name])
		for _, from := range []int{0, 1, headerSize, headerSize + 1, size / 2, size - 1, size} {
			for _, tail := range []struct {
				what string
				data []byte
			}{
				{"zeros", make([]byte, size-from)},
				{"more zeros", make([]byte, size-from+10_000)},
				{"garbage", garbage(size - from + 1)},
				{"much garbage", garbage(size - from + 600_000)},
			} {
				o := b.reopen(t, func(files map[string][]byte) {
					files[name] = append(files[name][:from], tail.data...)
				})
				// Bytes that may have been a record are counted as one.
				what := fmt.Sprintf("%s with %s from %d", name, tail.what, from)
				if from == size && o.lost == 1 && name == b.segments()[len(b.segments())-1] {
					o.lost = 0
				}
				o.want(what, b.touched(name, from, size)...)
			}
		}
	}
}

func TestMissingFiles(t *testing.T) { plainAndSealed(t, missingFiles) }

func missingFiles(t *testing.T, keys ...*Key) {
	for _, acked := range []uint64{0, 25} {
		b := build(t, 50, acked, keys...)
		for _, name := range b.segments() {
			o := b.reopen(t, func(files map[string][]byte) { delete(files, name) })
			o.want("without "+name, b.touched(name, 0, 1<<30)...)
		}
		o := b.reopen(t, func(files map[string][]byte) { delete(files, cursorName) })
		o.want("without cursor")
		if o.acked > acked {
			t.Errorf("without the cursor %d records are skipped", o.acked)
		}
		o = b.reopen(t, func(files map[string][]byte) {
			for _, name := range b.segments() {
				delete(files, name)
			}
		})
		o.want("without segments", slices.Collect(maps.Keys(b.records))...)
	}
}

func TestDamagedHeadersAndCursorTogether(t *testing.T) {
	plainAndSealed(t, damagedHeadersAndCursorTogether)
}

func damagedHeadersAndCursorTogether(t *testing.T, keys ...*Key) {
	b := build(t, 50, 0, keys...)
	o := b.reopen(t, func(files map[string][]byte) {
		for _, name := range b.segments()[1:] {
			clear(files[name][:headerSize])
		}
		delete(files, cursorName)
	})
	o.want("all headers but one, and the cursor")
}

// TestSegmentCutBeforeItsFirstRecord: nothing in it tells what it held, nor does the
// next one, whose header is gone.
func TestSegmentCutBeforeItsFirstRecord(t *testing.T) {
	plainAndSealed(t, segmentCutBeforeItsFirstRecord)
}

func segmentCutBeforeItsFirstRecord(t *testing.T, keys ...*Key) {
	b := build(t, 50, 0, keys...)
	names := b.segments()
	for i, name := range names[:len(names)-1] {
		for _, at := range []int{0, 10, headerSize - 1} {
			o := b.reopen(t, func(files map[string][]byte) {
				files[name] = files[name][:at]
				clear(files[names[i+1]][:headerSize])
			})
			o.want(fmt.Sprintf("%s cut at %d, and the next header gone", name, at), b.touched(name, 0, 1<<30)...)
		}
	}
}

func TestUnreadableFileIsSetAside(t *testing.T) { plainAndSealed(t, unreadableFileIsSetAside) }

func unreadableFileIsSetAside(t *testing.T, keys ...*Key) {
	b := build(t, 50, 0, keys...)
	for i, name := range b.segments() {
		o := b.reopen(t, func(files map[string][]byte) {
			for j := range files[name] {
				files[name][j] = byte(j%251) + 1
			}
		})
		o.want(name, b.touched(name, 0, 1<<30)...)
		if bad := o.fs.names(badExt); len(bad) != 1 {
			t.Errorf("segment %d: set aside are %v", i, bad)
		}
	}
}

// TestForgedRecord appends payloads that hold whole valid frames of their own
// and then breaks the record around them: what came from outside is never taken
// for a record.
func TestForgedRecord(t *testing.T) {
	m := newMemFS()
	l, err := Open(Options{Dir: spoolDir, FS: m})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, "first")
	other := identity{secret: secret{1, 2, 3, 4, 5, 6, 7, 8}}.secret.key(1)
	forged := Record{Seq: 3, Time: 1, Payload: []byte("forged")}
	rec := mustAppend(t, l, string(other.appendFrame(nil, &forged)))
	mustAppend(t, l, "last")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	name := m.names(segmentExt)[0]
	at := bytes.Index(m.file(name).data, []byte("forged"))
	m.damage(name, func(b []byte) []byte { b[at-frameHeader-8] ^= 1; return b })
	l, err = load(Options{Dir: spoolDir, FS: m})
	if err != nil {
		t.Fatal(err)
	}
	l.runRound(true)
	var got []string
	for {
		r, ok, err := l.Reader().TryNext()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, string(r.Payload))
	}
	if s := l.Stats(); !slices.Equal(got, []string{"first", "last"}) || s.RecordsLost != 1 {
		t.Errorf("read %q, lost %d, want all but number %d", got, s.RecordsLost, rec.Seq)
	}
}
