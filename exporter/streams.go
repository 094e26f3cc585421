package exporter

import "encoding/binary"

const (
	tagRequestStreams = 1<<3 | 2
	tagStreamLabels   = 1<<3 | 2
	tagStreamEntries  = 2<<3 | 2

	// streamLengthBytes is the room left for the length of a stream message,
	// which is known only when the stream is whole: a varint may be padded.
	streamLengthBytes = 4
)

// streams are the stream messages of a push request, one after another, grown
// one entry at a time. Two of them behind each other are a push request, too.
type streams struct {
	raw  []byte
	last int // offset of the last stream's length in raw
}

// place says where in streams an entry lies.
type place struct {
	labelsStart, labelsEnd int
	start, end             int // the entry's field in the stream, its tag included
}

func (s *streams) reset() { s.raw = s.raw[:0] }

func (s *streams) labels(p place) []byte { return s.raw[p.labelsStart:p.labelsEnd] }

// open begins a stream and notes in p where its labels are.
func (s *streams) open(labels []byte, p *place) {
	s.raw, s.last = openStream(s.raw, labels)
	p.labelsStart, p.labelsEnd = len(s.raw)-len(labels), len(s.raw)
}

// add appends an entry, given in pieces, to the last stream and notes in p where
// it is.
func (s *streams) add(p *place, head, body, tail []byte) {
	p.start = len(s.raw)
	s.raw = append(s.raw, tagStreamEntries)
	s.raw = binary.AppendUvarint(s.raw, uint64(len(head)+len(body)+len(tail)))
	s.raw = append(s.raw, head...)
	s.raw = append(s.raw, body...)
	s.raw = append(s.raw, tail...)
	p.end = len(s.raw)
	closeStream(s.raw, s.last)
}

// appendPart appends to message the streams of some entries alone; at says
// where each lies.
func (s *streams) appendPart(message []byte, entries []entryRef, at func(*entryRef) place) []byte {
	stream, labels := 0, -1
	for i := range entries {
		p := at(&entries[i])
		if p.labelsStart != labels {
			message, stream = openStream(message, s.labels(p))
			labels = p.labelsStart
		}
		message = append(message, s.raw[p.start:p.end]...)
		closeStream(message, stream)
	}
	return message
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
