package exporter

import (
	"encoding/binary"

	"github.com/klauspost/compress/s2"

	"github.com/adminsessions/adminsessions/internal/spool"
)

const (
	tagRequestStreams = 1<<3 | 2
	tagStreamLabels   = 1<<3 | 2
	tagStreamEntries  = 2<<3 | 2

	// streamLengthBytes is the room left for the length of a stream message,
	// which is known only when the stream is whole: a varint may be padded.
	streamLengthBytes = 4
)

// stream is the entries of a batch with the same labels, as one push request.
//
// A push never holds two streams: Loki 3.7.8 answers 204 although it has refused
// entries of one, if it took those of a later one (pkg/ingester/instance.go,
// Push: the error of each stream overwrites the one before).
type stream struct {
	labels  []byte
	raw     []byte // PushRequest
	entries []entryRef
	message []byte // scratch for a part
	packed  []byte // scratch for the compressed form
	whole   []byte // the compressed form of raw, once pack has made it

	lines   *stream // takes the lines of these events, nil unless they are stored
	ofLines bool    // this stream is one of lines
}

// entryRef says where in a stream one entry lies.
type entryRef struct {
	seq        uint64
	time       int64 // ns
	start, end int   // its field in raw, its tag included
}

// part is a range of a stream's entries, [from, to).
type part struct {
	stream   *stream
	from, to int
}

func (p part) len() int         { return p.to - p.from }
func (p part) first() entryRef  { return p.stream.entries[p.from] }
func (p part) size() int        { return p.stream.entries[p.to-1].end - p.first().start }
func (p part) firstRaw() []byte { return p.stream.raw[p.first().start:p.first().end] }

// message is the part as it is pushed, compressed, valid until the next call.
func (p part) message() []byte {
	s := p.stream
	if p.len() == len(s.entries) {
		s.pack()
		return s.whole
	}
	s.whole = nil // its memory is used again
	s.message = openRequest(s.message[:0], s.labels)
	s.message = append(s.message, s.raw[p.first().start:s.entries[p.to-1].end]...)
	closeRequest(s.message)
	return s.compress(s.message)
}

func (s *stream) reset(labels []byte) {
	s.labels = append(s.labels[:0], labels...)
	s.raw = openRequest(s.raw[:0], labels)
	s.entries = s.entries[:0]
	s.whole = nil
	s.lines, s.ofLines = nil, false
}

// add appends an entry, given in pieces.
func (s *stream) add(r *spool.Record, head, body, tail []byte) {
	start := len(s.raw)
	s.raw = append(s.raw, tagStreamEntries)
	s.raw = binary.AppendUvarint(s.raw, uint64(len(head)+len(body)+len(tail)))
	s.raw = append(s.raw, head...)
	s.raw = append(s.raw, body...)
	s.raw = append(s.raw, tail...)
	s.entries = append(s.entries, entryRef{r.Seq, r.Time, start, len(s.raw)})
}

func (s *stream) pack() {
	if s.whole == nil {
		closeRequest(s.raw)
		s.whole = s.compress(s.raw)
	}
}

func (s *stream) compress(message []byte) []byte {
	if n := s2.MaxEncodedLen(len(message)); cap(s.packed) < n {
		s.packed = make([]byte, n)
	}
	return s2.EncodeSnappy(s.packed[:cap(s.packed)], message)
}

// openRequest appends the head of a push request with one stream to b, which is
// empty; closeRequest fills in the stream's length.
func openRequest(b []byte, labels []byte) []byte {
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
