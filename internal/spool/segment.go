package spool

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

const (
	segmentExt  = ".seg"
	badExt      = ".bad"
	segmentMark = "ADMSPL\x00\x01" // the last byte is the format's version

	headerSize = 64
	headerCRC  = headerSize - 4
)

// secret is random, made with the log. See frameKey.
type secret [8]byte

// identity is what all files of one log share. Every segment header and every
// slot of the cursor carry it, so that no single damage loses it.
type identity struct {
	id     [16]byte
	secret secret
}

// header is the beginning of a segment file.
type header struct {
	identity
	first    uint64 // no record in the segment has a lower number; also the file's name
	prevLast uint64 // the last record written to the log before this segment, 0 if none
	created  int64  // ns
	keyID    uint32 // of the key that the records are encrypted with, 0 if they are not
}

func (h header) encode() []byte {
	b := make([]byte, 0, headerSize)
	le := binary.LittleEndian
	b = append(b, segmentMark...)
	b = append(b, h.id[:]...)
	b = append(b, h.secret[:]...)
	b = le.AppendUint64(b, h.first)
	b = le.AppendUint64(b, h.prevLast)
	b = le.AppendUint64(b, uint64(h.created))
	b = le.AppendUint32(b, h.keyID)
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func parseHeader(b []byte) (header, bool) {
	le := binary.LittleEndian
	if len(b) < headerSize || string(b[:8]) != segmentMark ||
		crc32.Checksum(b[:headerCRC], castagnoli) != le.Uint32(b[headerCRC:]) {
		return header{}, false
	}
	h := header{
		identity: identity{id: [16]byte(b[8:]), secret: secret(b[24:])},
		first:    le.Uint64(b[32:]),
		prevLast: le.Uint64(b[40:]),
		created:  int64(le.Uint64(b[48:])),
		keyID:    le.Uint32(b[56:]),
	}
	return h, h.first > 0
}

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, segmentExt) }

func parseSegmentName(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentExt)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, err == nil && first > 0
}

// segment is one file of the log. The fields after name are guarded by Log.mu;
// file is also used without it, by the holder of Log.wmu (writes) and by the sync
// goroutine (syncs, and the close after the last of them).
type segment struct {
	first uint64
	key   frameKey
	name  string

	file     File   // open for writing; nil once sealed and synced
	reading  File   // the reader's; nil while it reads another segment
	size     int64  // up to here whole frames are written
	synced   int64  // up to here an fsync covers it, or it is given up: see syncErr
	last     uint64 // last record written here; 0 if none, or if not known
	direct   bool   // writing is a copy; guarded by wmu
	sealed   bool   // nothing more is written here
	unlinked bool   // the name may be another segment's by now
	damaged  bool   // set aside instead of removed
	unnamed  bool   // its name in the folder is not yet durable
	syncedTo uint64 // last record an fsync covers
	syncErr  error  // the fsync that failed; there is no second try
}

// upTo returns the highest number a record of s can have, given the segment
// after it.
func (s *segment) upTo(next *segment) uint64 {
	if s.last != 0 || next == nil {
		return s.last
	}
	return next.first - 1
}
