package exporter

import (
	"bytes"
	"slices"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/internal/spooled"
	"github.com/adminsessions/adminsessions/proof"
)

const (
	// entryOverhead is more than an entry takes besides the event's line.
	entryOverhead = loki.EntryOverhead + 64

	// maxSpareStreams is for two services.
	maxSpareStreams = 2

	// movedTimestamp is the shift from which on the line says when its request
	// really arrived.
	movedTimestamp = time.Millisecond
)

// batch is a run of consecutive records in Loki's push format, grown one record
// at a time. Each of its streams is pushed on its own. Its buffers are used again
// and again.
type batch struct {
	streams []*stream
	spare   []*stream // to be used again
	count   int       // records
	largest int       // bytes of the largest stream

	firstTime int64  // of the first record, as the spool has it, ns
	lastSeq   uint64 // of the last record; 0 in a batch from quarantine
	moved     bool   // an entry has another time than in the spool, which is not noted on disk yet

	since  time.Time // when its first record was added
	closed bool      // the next record does not fit

	// What is left to deliver, in order. The shipper's.
	parts    []part
	inFlight bool
	retry    bool // from quarantine, not from the spool
	refusing bool // one of its pushes was refused, so that blame is being looked for
	row      int  // refusals in a row
	retimed  int  // refusals in a row that were answered by other times
}

// stream is the entries of a batch with the same labels.
type stream struct {
	loki.Stream
	labels  string
	entries []entry
	scratch []byte // for its leaves
	taken   int    // parts that Loki has acknowledged since it refused one
	sample  int    // an entry that it has acknowledged, plus 1; 0 if there is none
}

// entry is what is known of an entry besides its bytes.
type entry struct {
	seq     uint64
	time    int64 // as it is pushed, ns
	spooled int64 // as the spool has it
	origin  int64 // as it was recorded
	line    int   // bytes of the event's line, without the exporter's part

	leaf        proof.Hash // valid if hashed
	hashed      bool
	quarantined bool
}

// part is a range of a stream's entries, [from, to).
type part struct {
	stream   *stream
	from, to int
	// refused is how often Loki has refused it, takenAt how many others of the
	// stream it had taken by then.
	refused int
	takenAt int
	// control marks an entry that Loki has taken before and is asked to take
	// again: does it take anything of this stream now?
	control bool
}

func (p part) len() int        { return p.to - p.from }
func (p part) size() int       { return p.stream.SizeOf(p.from, p.to) }
func (p part) first() entry    { return p.stream.entries[p.from] }
func (p part) message() []byte { return p.stream.Message(p.from, p.to) }

func (b *batch) reset() {
	for _, s := range b.streams {
		if len(b.spare) < maxSpareStreams { // each may have grown to a whole batch
			b.spare = append(b.spare, s)
		}
	}
	clear(b.streams)
	*b = batch{streams: b.streams[:0], spare: b.spare, parts: b.parts[:0]}
}

func (b *batch) empty() bool        { return b.count == 0 }
func (b *batch) sizeWith(n int) int { return b.largest + n + entryOverhead }

// add appends one record with the time that its entry is to have.
func (b *batch) add(r *spool.Record, at int64) error {
	labels, line, err := spooled.Split(r.Payload)
	if err != nil {
		return err
	}
	s := b.stream(labels)
	e := entry{seq: r.Seq, time: at, spooled: r.Time, origin: r.Origin, line: len(line)}
	s.add(e, line)
	b.moved = b.moved || at != r.Time
	if b.count == 0 {
		b.firstTime = r.Time
	}
	b.count++
	b.lastSeq = r.Seq
	b.largest = max(b.largest, s.Size())
	return nil
}

func (s *stream) add(e entry, line []byte) {
	var scratch [64]byte
	var arrived time.Time
	if shift := time.Duration(e.time - e.origin); shift.Abs() >= movedTimestamp {
		arrived = time.Unix(0, e.origin)
	}
	s.Add(e.time, line, adminsessions.AppendSequence(scratch[:0], e.seq, arrived))
	s.entries = append(s.entries, e)
}

// stream returns the stream with these labels, and begins it if need be. A
// service has one; a process with several services has a few.
func (b *batch) stream(labels []byte) *stream {
	for _, s := range b.streams {
		if bytes.Equal(s.Labels(), labels) {
			return s
		}
	}
	s := &stream{}
	if last := len(b.spare) - 1; last >= 0 {
		s, b.spare = b.spare[last], b.spare[:last]
	}
	s.Reset(labels)
	if s.labels != string(labels) {
		s.labels = string(labels)
	}
	s.entries, s.taken, s.sample = s.entries[:0], 0, 0
	b.streams = append(b.streams, s)
	return s
}

// seal makes each stream, whole, a part to deliver.
func (b *batch) seal() {
	b.parts = b.parts[:0]
	for _, s := range b.streams {
		b.parts = append(b.parts, part{stream: s, to: len(s.entries)})
	}
}

// halve cuts the first part in two.
func (b *batch) halve() {
	p := b.parts[0]
	middle := p.from + p.len()/2
	b.replaceFirst(part{stream: p.stream, from: p.from, to: middle}, part{stream: p.stream, from: middle, to: p.to})
}

// replaceFirst puts others in the place of the first part.
func (b *batch) replaceFirst(parts ...part) {
	b.parts = slices.Replace(b.parts, 0, 1, parts...)
}

// postpone moves the first part behind the others.
func (b *batch) postpone() {
	first := b.parts[0]
	b.parts = append(slices.Delete(b.parts, 0, 1), first)
}

// absorb takes over all of another, sealed batch that follows this one, to be
// delivered before what is left of this one.
func (b *batch) absorb(next *batch) {
	b.streams = append(b.streams, next.streams...)
	b.parts = slices.Insert(b.parts, 0, next.parts...)
	b.count += next.count
	b.lastSeq = next.lastSeq
	b.moved = b.moved || next.moved
	clear(next.streams)
	next.streams = next.streams[:0]
	next.reset()
}

// taken is how many parts of a stream Loki has acknowledged since it refused one.
func (b *batch) taken(labels []byte) (n int) {
	for _, s := range b.streams {
		if bytes.Equal(s.Labels(), labels) {
			n += s.taken
		}
	}
	return n
}

// sample is an entry of a stream that Loki has acknowledged.
func (b *batch) sample(labels []byte) (p part, ok bool) {
	for _, s := range b.streams {
		if s.sample > 0 && bytes.Equal(s.Labels(), labels) {
			return part{stream: s, from: s.sample - 1, to: s.sample, control: true}, true
		}
	}
	return part{}, false
}

// setTimes writes a stream anew with other times for some of its entries.
func (b *batch) setTimes(s *stream, at map[int]int64) {
	var fresh stream
	fresh.Reset(s.Labels())
	for i, e := range s.entries {
		line := s.Line(i)[:e.line]
		if t, ok := at[i]; ok && t != e.time {
			e.time, e.hashed, b.moved = t, false, true
		}
		fresh.add(e, line)
	}
	s.Stream, s.entries = fresh.Stream, fresh.entries
}

// pack compresses the whole batch ahead of its turn and closes it: what came
// into it afterwards would not be in what is sent, even if there is room again
// because batches may be larger by then.
func (b *batch) pack() {
	b.closed = true
	for _, s := range b.streams {
		s.Message(0, s.Len())
	}
}
