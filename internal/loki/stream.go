package loki

import (
	"encoding/binary"
	"time"

	"github.com/klauspost/compress/s2"
)

// Field numbers and wire types of Loki's PushRequest
// (github.com/grafana/loki/pkg/push, push.proto).
const (
	tagRequestStreams = 1<<3 | 2
	tagStreamLabels   = 1<<3 | 2
	tagStreamEntries  = 2<<3 | 2
	tagEntryTimestamp = 1<<3 | 2
	tagEntryLine      = 2<<3 | 2
	tagTimeSeconds    = 1 << 3
	tagTimeNanos      = 2 << 3

	// streamLengthBytes is the room left for the length of a stream message,
	// which is known only when the stream is whole: a varint may be padded.
	streamLengthBytes = 4

	// EntryOverhead is more than an entry takes besides its line.
	EntryOverhead = 32
)

// Stream is a push request in the making: entries with the same labels, in the
// form in which Loki takes them. Its memory is used again by Reset.
//
// A push never holds two streams: Loki 3.7.8 answers 204 although it has refused
// entries of one, if it took those of a later one (pkg/ingester/instance.go,
// Push: the error of each stream overwrites the one before).
type Stream struct {
	labels  []byte
	raw     []byte
	ends    []int  // of the entries in raw
	first   int    // where the first one begins
	part    []byte // scratch
	packed  []byte // scratch
	whole   []byte // the message of all entries, until another is made
	wholeOf int    // how many those are
}

// Reset empties the stream and gives it labels, as Loki writes them:
// {audit_log_id="…", service_name="panel"}, sorted by name.
func (s *Stream) Reset(labels []byte) {
	s.labels = append(s.labels[:0], labels...)
	s.raw = openRequest(s.raw[:0], labels)
	s.first = len(s.raw)
	s.ends = s.ends[:0]
	s.whole = nil
}

// Labels are those given to Reset.
func (s *Stream) Labels() []byte { return s.labels }

// Len is the number of entries.
func (s *Stream) Len() int { return len(s.ends) }

// Size is the length of the request, uncompressed.
func (s *Stream) Size() int { return len(s.raw) }

// SizeOf is about the length of a request with entries from (inclusive) to to
// (exclusive).
func (s *Stream) SizeOf(from, to int) int { return s.first + s.ends[to-1] - s.start(from) }

// Add appends an entry. Its line is given in two pieces.
func (s *Stream) Add(nanos int64, line, rest []byte) {
	length := len(line) + len(rest)
	var head [24]byte
	h := appendTimestamp(head[:0], nanos)
	h = append(h, tagEntryLine)
	h = binary.AppendUvarint(h, uint64(length))
	s.raw = append(s.raw, tagStreamEntries)
	s.raw = binary.AppendUvarint(s.raw, uint64(len(h)+length))
	s.raw = append(s.raw, h...)
	s.raw = append(s.raw, line...)
	s.raw = append(s.raw, rest...)
	s.ends = append(s.ends, len(s.raw))
}

func (s *Stream) start(i int) int {
	if i == 0 {
		return s.first
	}
	return s.ends[i-1]
}

// Line is the line of an entry. It is valid until Reset.
func (s *Stream) Line(i int) []byte {
	b := s.raw[s.start(i):s.ends[i]]
	_, n := binary.Uvarint(b[1:])
	b = b[1+n:]
	b = b[2+b[1]:] // the timestamp, whose length is one byte
	_, n = binary.Uvarint(b[1:])
	return b[1+n:]
}

// Message is the body of a push of entries from (inclusive) to to (exclusive),
// compressed. It is valid until the next call.
func (s *Stream) Message(from, to int) []byte {
	if from == 0 && to == len(s.ends) {
		if s.whole == nil || s.wholeOf != to {
			closeRequest(s.raw)
			s.whole, s.wholeOf = s.compress(s.raw), to
		}
		return s.whole
	}
	s.whole = nil // its memory is used again
	s.part = openRequest(s.part[:0], s.labels)
	s.part = append(s.part, s.raw[s.start(from):s.ends[to-1]]...)
	closeRequest(s.part)
	return s.compress(s.part)
}

func (s *Stream) compress(message []byte) []byte {
	if n := s2.MaxEncodedLen(len(message)); cap(s.packed) < n {
		s.packed = make([]byte, n)
	}
	return s2.EncodeSnappy(s.packed[:cap(s.packed)], message)
}

// openRequest appends the head of a push request with one stream to b, which is
// empty; closeRequest fills in the stream's length.
func openRequest(b, labels []byte) []byte {
	b = append(b, tagRequestStreams)
	b = append(b, make([]byte, streamLengthBytes)...)
	b = append(b, tagStreamLabels)
	b = binary.AppendUvarint(b, uint64(len(labels)))
	return append(b, labels...)
}

func closeRequest(b []byte) {
	length := b[1 : 1+streamLengthBytes]
	n := uint64(len(b) - 1 - streamLengthBytes)
	for i := range streamLengthBytes - 1 {
		length[i] = byte(n) | 0x80
		n >>= 7
	}
	length[streamLengthBytes-1] = byte(n)
}

// appendTimestamp appends the entry's field of type google.protobuf.Timestamp.
func appendTimestamp(b []byte, ns int64) []byte {
	sec, nanos := ns/int64(time.Second), ns%int64(time.Second)
	if nanos < 0 {
		sec, nanos = sec-1, nanos+int64(time.Second)
	}
	start := len(b)
	b = append(b, tagEntryTimestamp, 0)
	b = append(b, tagTimeSeconds)
	b = binary.AppendUvarint(b, uint64(sec))
	if nanos != 0 {
		b = append(b, tagTimeNanos)
		b = binary.AppendUvarint(b, uint64(nanos))
	}
	b[start+1] = byte(len(b) - start - 2)
	return b
}
