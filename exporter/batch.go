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
	tagRequestStreams = 1<<3 | 2
	tagStreamLabels   = 1<<3 | 2
	tagStreamEntries  = 2<<3 | 2
	tagTimeSeconds    = 1 << 3
	tagTimeNanos      = 2 << 3

	// streamLengthBytes is the room left for the length of a stream message,
	// which is known only when the stream is whole: a varint may be padded.
	streamLengthBytes = 4

	// entryOverhead is more than what add puts around a record's payload:
	// timestamp, lengths, and the pairs of the exporter's own.
	entryOverhead = 256

	// movedTimestamp is the shift from which on the entry says when its
	// request really arrived.
	movedTimestamp = time.Millisecond
)

// entryRef says where in a batch one entry lies.
type entryRef struct {
	seq                    uint64
	time                   int64 // ns
	labelsStart, labelsEnd int
	start, end             int // the entry's field in the stream, its tag included
}

// batch is a run of consecutive records in Loki's push format, grown one
// record at a time. Its buffers are used again and again.
type batch struct {
	raw     []byte // PushRequest
	entries []entryRef
	stream  int // offset of the last stream's length in raw
	logID   []byte
	tail    []byte    // scratch
	since   time.Time // when its first record was added
	closed  bool      // the next record does not fit
	message []byte    // scratch for a part
	packed  []byte    // scratch for the compressed form
	whole   []byte    // the compressed form of the whole batch, once pack has made it

	// What is left to deliver, in order: ranges of entries. The shipper's.
	parts    []part
	inFlight bool
}

// part is a range of a batch's entries, [from, to).
type part struct{ from, to int }

func (p part) len() int { return p.to - p.from }

func newBatch(logID string) *batch {
	return &batch{logID: appendPair(nil, adminsessions.KeyLogID, logID)}
}

func (b *batch) reset() {
	b.raw = b.raw[:0]
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
func (b *batch) sizeWith(n int) int  { return len(b.raw) + n + entryOverhead }
func (b *batch) labels(i int) []byte { return b.raw[b.entries[i].labelsStart:b.entries[i].labelsEnd] }

// add appends one record.
func (b *batch) add(r *spool.Record) error {
	n, w := binary.Uvarint(r.Payload)
	if w <= 0 || n > uint64(len(r.Payload)-w) {
		return fmt.Errorf("spooled record %d has no stream labels", r.Seq)
	}
	labels, body := r.Payload[w:w+int(n)], r.Payload[w+int(n):]

	ref := entryRef{seq: r.Seq, time: r.Time}
	if last := len(b.entries) - 1; last >= 0 && bytes.Equal(labels, b.labels(last)) {
		ref.labelsStart, ref.labelsEnd = b.entries[last].labelsStart, b.entries[last].labelsEnd
	} else {
		b.raw, b.stream = openStream(b.raw, labels)
		ref.labelsStart, ref.labelsEnd = len(b.raw)-len(labels), len(b.raw)
	}

	var head [32]byte
	h := appendTimestamp(head[:0], r.Time)
	b.tail = append(b.tail[:0], b.logID...)
	var digits [20]byte
	b.tail = appendPair(b.tail, adminsessions.KeySequenceNumber, view(strconv.AppendUint(digits[:0], r.Seq, 10)))
	if shift := r.Time - r.Origin; shift >= int64(movedTimestamp) || shift <= -int64(movedTimestamp) {
		b.tail = appendPair(b.tail, adminsessions.KeyRequestTime, view(strconv.AppendInt(digits[:0], r.Origin, 10)))
	}

	ref.start = len(b.raw)
	b.raw = append(b.raw, tagStreamEntries)
	b.raw = binary.AppendUvarint(b.raw, uint64(len(h)+len(body)+len(b.tail)))
	b.raw = append(b.raw, h...)
	b.raw = append(b.raw, body...)
	b.raw = append(b.raw, b.tail...)
	closeStream(b.raw, b.stream)
	ref.end = len(b.raw)
	b.entries = append(b.entries, ref)
	return nil
}

// seal makes the whole batch the one part to deliver.
func (b *batch) seal() {
	b.parts = append(b.parts[:0], part{0, len(b.entries)})
}

// size is the bytes of a part's entries.
func (b *batch) size(p part) int { return b.entries[p.to-1].end - b.entries[p.from].start }

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
	if b.whole == nil {
		b.whole = b.compress(b.raw)
	}
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
	stream := 0
	for i := p.from; i < p.to; i++ {
		if i == p.from || b.entries[i].labelsStart != b.entries[i-1].labelsStart {
			b.message, stream = openStream(b.message, b.labels(i))
		}
		b.message = append(b.message, b.raw[b.entries[i].start:b.entries[i].end]...)
		closeStream(b.message, stream)
	}
	return b.message
}

// openStream appends the head of a stream to a push request and returns the
// offset of its length, which closeStream fills in.
func openStream(b []byte, labels []byte) ([]byte, int) {
	b = append(b, tagRequestStreams)
	stream := len(b)
	b = append(b, make([]byte, streamLengthBytes)...)
	b = append(b, tagStreamLabels)
	b = binary.AppendUvarint(b, uint64(len(labels)))
	return append(b, labels...), stream
}

func closeStream(b []byte, stream int) {
	n := uint64(len(b) - stream - streamLengthBytes)
	for i := range streamLengthBytes - 1 {
		b[stream+i] = byte(n) | 0x80
		n >>= 7
	}
	b[stream+streamLengthBytes-1] = byte(n)
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
