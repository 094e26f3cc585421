package spool

import (
	"bytes"
	"encoding/binary"
	"io"
)

const scanChunk = 256 << 10

// scanner finds the frames of one segment, in order, and passes over what is
// none. It reads in chunks and allocates only to grow its buffer.
type scanner struct {
	src   io.ReaderAt
	key   frameKey
	limit int64 // nothing is read beyond; only ever moved up
	min   uint64
	max   uint64 // numbers a record may have here

	buf []byte // buf[r:w] holds the file's bytes from pos
	r   int
	w   int
	pos int64

	// The frame that the last call of next returned, and what it passed over before.
	frame     int64  // its length
	skipped   int64  // bytes
	skippedAt int64  // where they began
	starts    uint64 // places among them that look like a record's beginning
	blank     bool   // they are all zero
}

func (s *scanner) reset(src io.ReaderAt, key frameKey, offset, limit int64, minSeq, maxSeq uint64) {
	*s = scanner{src: src, key: key, limit: max(limit, offset), min: minSeq, max: maxSeq, buf: s.buf, pos: offset}
}

// next returns the next record. io.EOF means that there is none below the limit;
// it may be raised then. skipped is valid also with io.EOF, but bytes at the end
// that could become a frame when the limit is raised are not counted before
// finish. Other errors are the file's; the call can be repeated.
func (s *scanner) next() (Record, error) {
	s.skipped, s.starts, s.blank = 0, 0, true
	for {
		b, err := s.peek(frameHeader)
		if err != nil {
			return Record{}, err
		}
		if b == nil { // less than a header is left
			s.skip(s.limit - s.pos)
			return Record{}, io.EOF
		}
		if n := s.key.frameLen(b); n > 0 && n <= s.limit-s.pos {
			b, err := s.peek(int(n))
			if err != nil {
				return Record{}, err
			}
			if rec, ok := s.key.parseFrame(b); ok && rec.Seq >= s.min && rec.Seq <= s.max {
				s.r += int(n)
				s.pos += n
				s.frame = n
				s.min = rec.Seq + 1
				return rec, nil
			}
		}
		if err := s.skipToMarker(); err != nil {
			return Record{}, err
		}
	}
}

// skipToMarker passes over at least one byte, up to the next marker in the
// buffer or as far as one can't begin.
func (s *scanner) skipToMarker() error {
	if _, err := s.peek(frameHeader); err != nil {
		return err
	}
	var mark [4]byte
	binary.LittleEndian.PutUint32(mark[:], s.key.marker)
	if bytes.HasPrefix(s.buf[s.r:s.w], mark[:]) {
		s.starts++
	}
	n := bytes.Index(s.buf[s.r+1:s.w], mark[:])
	if n < 0 {
		n = s.w - s.r - len(mark)
	}
	s.skip(int64(n + 1))
	return nil
}

// skip passes over n bytes, which are in the buffer.
func (s *scanner) skip(n int64) {
	if n == 0 {
		return
	}
	if s.skipped == 0 {
		s.skippedAt = s.pos
	}
	for _, c := range s.buf[s.r : s.r+int(n)] {
		if c != 0 {
			s.blank = false
			break
		}
	}
	s.skipped += n
	s.r += int(n)
	s.pos += n
}

// peek returns at least the next n bytes, or nil if the limit is nearer; then
// all that is left is in the buffer.
func (s *scanner) peek(n int) ([]byte, error) {
	left := s.limit - s.pos
	want := int(min(int64(n), left))
	if s.w-s.r < want {
		if err := s.fill(want); err != nil {
			return nil, err
		}
		left = s.limit - s.pos // the file was shorter
	}
	if int64(n) > left {
		return nil, nil
	}
	return s.buf[s.r : s.r+n], nil
}

// fill makes the buffer hold at least want bytes and reads as much as fits.
func (s *scanner) fill(want int) error {
	if s.r > 0 {
		s.w = copy(s.buf, s.buf[s.r:s.w])
		s.r = 0
	}
	if size := max(want, int(min(s.limit-s.pos, scanChunk))); len(s.buf) < size {
		grown := make([]byte, max(size, min(2*len(s.buf), scanChunk)))
		copy(grown, s.buf[:s.w])
		s.buf = grown
	}
	for s.w < want {
		room := min(int64(len(s.buf)), s.limit-s.pos)
		n, err := s.src.ReadAt(s.buf[s.w:room], s.pos+int64(s.w))
		s.w += n
		if s.w >= want {
			return nil
		}
		if err == io.EOF {
			s.limit = s.pos + int64(s.w)
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrNoProgress
		}
	}
	return nil
}

// blankOut makes n bytes at the place where reading failed count as zeros, so
// that they are passed over.
func (s *scanner) blankOut(n int64) {
	at := s.pos + int64(s.w-s.r)
	n = min(n-at%n, s.limit-at)
	if s.r > 0 {
		s.w = copy(s.buf, s.buf[s.r:s.w])
		s.r = 0
	}
	if need := s.w + int(n); need > len(s.buf) {
		grown := make([]byte, need)
		copy(grown, s.buf[:s.w])
		s.buf = grown
	}
	clear(s.buf[s.w : s.w+int(n)])
	s.w += int(n)
}
