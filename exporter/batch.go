package exporter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/spool"
)

const (
	tagTimeSeconds = 1 << 3
	tagTimeNanos   = 2 << 3

	// entryOverhead is more than what add puts around a record's payload:
	// timestamp, lengths, and the pairs of the exporter's own.
	entryOverhead = 256

	// maxSpareStreams is for one service and its lines, twice.
	maxSpareStreams = 4

	// movedTimestamp is the shift from which on the entry says when its
	// request really arrived.
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

	firstTime, lastTime int64 // ns
	lastSeq             uint64

	withLines bool
	logID     []byte
	tail      []byte    // scratch
	since     time.Time // when its first record was added
	closed    bool      // the next record does not fit

	// What is left to deliver, in order. The shipper's.
	parts    []part
	inFlight bool
}

func newBatch(logID string, withLines bool) *batch {
	return &batch{logID: appendPair(nil, adminsessions.KeyLogID, logID), withLines: withLines}
}

func (b *batch) reset() {
	for _, s := range b.streams {
		if len(b.spare) < maxSpareStreams { // each may have grown to a whole batch
			b.spare = append(b.spare, s)
		}
	}
	clear(b.streams)
	b.streams = b.streams[:0]
	b.parts = b.parts[:0]
	b.count, b.largest = 0, 0
	b.inFlight, b.closed = false, false
}

func (b *batch) empty() bool        { return b.count == 0 }
func (b *batch) sizeWith(n int) int { return b.largest + n + entryOverhead }

// add appends one record.
func (b *batch) add(r *spool.Record) error {
	n, w := binary.Uvarint(r.Payload)
	if w <= 0 || n > uint64(len(r.Payload)-w) {
		return fmt.Errorf("spooled record %d has no stream labels", r.Seq)
	}
	labels, body := r.Payload[w:w+int(n)], r.Payload[w+int(n):]
	s, err := b.stream(labels)
	if err != nil {
		return fmt.Errorf("spooled record %d: %w", r.Seq, err)
	}

	var head [32]byte
	h := appendTimestamp(head[:0], r.Time)
	b.tail = append(b.tail[:0], b.logID...)
	var digits [20]byte
	b.tail = appendPair(b.tail, adminsessions.KeySequenceNumber, view(strconv.AppendUint(digits[:0], r.Seq, 10)))
	if shift := r.Time - r.Origin; shift >= int64(movedTimestamp) || shift <= -int64(movedTimestamp) {
		b.tail = appendPair(b.tail, adminsessions.KeyRequestTime, view(strconv.AppendInt(digits[:0], r.Origin, 10)))
	}
	s.add(r, h, body, b.tail)
	if s.lines != nil {
		s.lines.add(r, h, lineOf(body), nil)
	}
	if b.count == 0 {
		b.firstTime = r.Time
	}
	b.count++
	b.lastTime, b.lastSeq = r.Time, r.Seq
	b.largest = max(b.largest, len(s.raw))
	return nil
}

// stream returns the stream with these labels, and begins it if need be. A
// service has one; a process with several services has a few.
func (b *batch) stream(labels []byte) (*stream, error) {
	for _, s := range b.streams {
		if bytes.Equal(s.labels, labels) {
			return s, nil
		}
	}
	if !b.withLines {
		return b.open(labels), nil
	}
	of, err := linesLabels(labels)
	if err != nil {
		return nil, err
	}
	s := b.open(labels)
	s.lines = b.open(of)
	s.lines.ofLines = true
	return s, nil
}

func (b *batch) open(labels []byte) *stream {
	s := &stream{}
	if last := len(b.spare) - 1; last >= 0 {
		s, b.spare = b.spare[last], b.spare[:last]
	}
	s.reset(labels)
	b.streams = append(b.streams, s)
	return s
}

// seal makes each stream, whole, a part to deliver.
func (b *batch) seal() {
	b.parts = b.parts[:0]
	for _, s := range b.streams {
		b.parts = append(b.parts, part{s, 0, len(s.entries)})
	}
}

// halve cuts the first part in two.
func (b *batch) halve() {
	first := b.parts[0]
	middle := first.from + first.len()/2
	b.parts = append(b.parts, part{})
	copy(b.parts[2:], b.parts[1:])
	b.parts[0], b.parts[1] = part{first.stream, first.from, middle}, part{first.stream, middle, first.to}
}

// pack compresses the whole batch ahead of its turn and closes it: what came
// into it afterwards would not be in what is sent, even if there is room again
// because batches may be larger by then.
func (b *batch) pack() {
	b.closed = true
	for _, s := range b.streams {
		s.pack()
	}
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
