package exporter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter/internal/spool"
)

const (
	tagTimeSeconds = 1 << 3
	tagTimeNanos   = 2 << 3

	// entryOverhead is more than what add puts around a record's payload:
	// timestamp, lengths, and the pairs of the exporter's own.
	entryOverhead = 256

	// movedTimestamp is the shift from which on the entry says when its
	// request really arrived.
	movedTimestamp = time.Millisecond
)

// entryRef says where in a batch one entry lies.
type entryRef struct {
	seq   uint64
	time  int64 // ns
	event place // in batch.events
	line  place // in batch.lines, if that is written
}

// batch is a run of consecutive records in Loki's push format, grown one
// record at a time. Its buffers are used again and again.
type batch struct {
	events  streams
	lines   streams // each event's line once more, if withLines (lines.go)
	entries []entryRef
	logID   []byte
	tail    []byte    // scratch
	since   time.Time // when its first record was added
	closed  bool      // the next record does not fit
	message []byte    // scratch for what is compressed
	packed  []byte    // scratch for the compressed form
	whole   []byte    // the compressed form of the whole batch, once pack has made it

	withLines bool

	// What is left to deliver, in order: ranges of entries. The shipper's.
	parts    []part
	inFlight bool
}

// part is a range of a batch's entries, [from, to).
type part struct{ from, to int }

func (p part) len() int { return p.to - p.from }

func newBatch(logID string, withLines bool) *batch {
	return &batch{logID: appendPair(nil, adminsessions.KeyLogID, logID), withLines: withLines}
}

func (b *batch) reset() {
	b.events.reset()
	b.lines.reset()
	b.entries = b.entries[:0]
	b.parts = b.parts[:0]
	b.inFlight = false
	b.closed = false
	b.whole = nil
}

func (b *batch) empty() bool         { return len(b.entries) == 0 }
func (b *batch) lastSeq() uint64     { return b.entries[len(b.entries)-1].seq }
func (b *batch) firstTime() int64    { return b.entries[0].time }
func (b *batch) lastTime() int64     { return b.entries[len(b.entries)-1].time }
func (b *batch) bytes() int          { return len(b.events.raw) + len(b.lines.raw) }
func (b *batch) sizeWith(n int) int  { return b.bytes() + n + entryOverhead }
func (b *batch) labels(i int) []byte { return b.events.labels(b.entries[i].event) }

// add appends one record.
func (b *batch) add(r *spool.Record) error {
	n, w := binary.Uvarint(r.Payload)
	if w <= 0 || n > uint64(len(r.Payload)-w) {
		return fmt.Errorf("spooled record %d has no stream labels", r.Seq)
	}
	labels, body := r.Payload[w:w+int(n)], r.Payload[w+int(n):]

	ref := entryRef{seq: r.Seq, time: r.Time}
	sameStream := false
	if last := len(b.entries) - 1; last >= 0 {
		ref.event, ref.line = b.entries[last].event, b.entries[last].line
		sameStream = bytes.Equal(labels, b.labels(last))
	}
	if !sameStream {
		if b.withLines {
			if err := b.openLines(labels, &ref.line); err != nil {
				return fmt.Errorf("spooled record %d: %w", r.Seq, err)
			}
		}
		b.events.open(labels, &ref.event)
	}

	var head [32]byte
	h := appendTimestamp(head[:0], r.Time)
	b.tail = append(b.tail[:0], b.logID...)
	var digits [20]byte
	b.tail = appendPair(b.tail, adminsessions.KeySequenceNumber, view(strconv.AppendUint(digits[:0], r.Seq, 10)))
	if shift := r.Time - r.Origin; shift >= int64(movedTimestamp) || shift <= -int64(movedTimestamp) {
		b.tail = appendPair(b.tail, adminsessions.KeyRequestTime, view(strconv.AppendInt(digits[:0], r.Origin, 10)))
	}
	b.events.add(&ref.event, h, body, b.tail)
	if b.withLines {
		b.lines.add(&ref.line, h, lineOf(body), nil)
	}
	b.entries = append(b.entries, ref)
	return nil
}

// seal makes the whole batch the one part to deliver.
func (b *batch) seal() {
	b.parts = append(b.parts[:0], part{0, len(b.entries)})
}

// size is the bytes of a part's entries.
func (b *batch) size(p part) int {
	first, last := b.entries[p.from], b.entries[p.to-1]
	return last.event.end - first.event.start + last.line.end - first.line.start
}

// halve cuts the first part in two.
func (b *batch) halve() {
	first := b.parts[0]
	middle := first.from + first.len()/2
	b.parts = append(b.parts, part{})
	copy(b.parts[2:], b.parts[1:])
	b.parts[0], b.parts[1] = part{first.from, middle}, part{middle, first.to}
}

// pack compresses the whole batch ahead of its turn. Nothing may be added to it
// afterwards.
func (b *batch) pack() {
	if b.whole != nil {
		return
	}
	message := b.events.raw
	if b.withLines {
		b.message = append(append(b.message[:0], b.events.raw...), b.lines.raw...)
		message = b.message
	}
	b.whole = b.compress(message)
}

// part returns a part of the batch as a compressed message, valid until the next
// call.
func (b *batch) part(p part) []byte {
	if p.len() == len(b.entries) {
		b.pack()
		return b.whole
	}
	b.whole = nil // its memory is used again
	return b.compress(b.rebuild(p))
}

func (b *batch) compress(message []byte) []byte {
	if n := s2.MaxEncodedLen(len(message)); cap(b.packed) < n {
		b.packed = make([]byte, n)
	}
	return s2.EncodeSnappy(b.packed[:cap(b.packed)], message)
}

func (b *batch) rebuild(p part) []byte {
	b.message = b.message[:0]
	entries := b.entries[p.from:p.to]
	b.message = b.events.appendPart(b.message, entries, func(r *entryRef) place { return r.event })
	if b.withLines {
		b.message = b.lines.appendPart(b.message, entries, func(r *entryRef) place { return r.line })
	}
	return b.message
}

// appendTimestamp appends the entry's field of type google.protobuf.Timestamp.
func appendTimestamp(b []byte, ns int64) []byte {
	sec, nanos := ns/int64(time.Second), ns%int64(time.Second)
	b = append(b, tagEntryTimestamp, 0)
	b = append(b, tagTimeSeconds)
	b = binary.AppendUvarint(b, uint64(sec))
	if nanos != 0 {
		b = append(b, tagTimeNanos)
		b = binary.AppendUvarint(b, uint64(nanos))
	}
	b[1] = byte(len(b) - 2)
	return b
}

// appendPair appends one pair of structured metadata of the exporter's own.
func appendPair(b []byte, key, value string) []byte {
	start := len(b)
	b = append(b, tagEntryMetadata, 0)
	b = appendName(b, key)
	b = append(b, tagPairValue)
	b = appendClean(b, value)
	return fixLength(b, start+1)
}
