package spool

import (
	"encoding/binary"
	"hash/crc32"
)

// A frame is one record on disk, little endian:
//
//	 0  marker   4  secret of the log; where to look again after damage
//	 4  length   4  of the payload
//	 8  seq      8
//	16  time     8  assigned by the log, ns
//	24  origin   8  as given to Append, ns
//	32  payload
//	 …  crc      4  CRC-32C of all the above, begun with a secret of the segment
const (
	frameHeader   = 32
	frameOverhead = frameHeader + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameKey is what makes a frame of one segment recognisable and what bytes from
// outside can't imitate: neither half ever leaves the spool's files. The seed
// differs from segment to segment, so that an old block which a file system
// hands back after a crash is not taken for a record of this one.
type frameKey struct {
	marker uint32
	seed   uint32
	seal   *sealer // nil where records are not encrypted
}

func (s secret) key(first uint64) frameKey {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], first)
	return frameKey{
		marker: binary.LittleEndian.Uint32(s[:4]),
		seed:   crc32.Update(binary.LittleEndian.Uint32(s[4:]), castagnoli, b[:]),
	}
}

func frameSize(payload int) int64 { return int64(payload) + frameOverhead }

// appendFrame appends rec as a frame.
func (k frameKey) appendFrame(b []byte, rec *Record) []byte {
	start := len(b)
	le := binary.LittleEndian
	b = le.AppendUint32(b, k.marker)
	n := len(rec.Payload)
	if k.seal != nil {
		n += sealOverhead
	}
	b = le.AppendUint32(b, uint32(n))
	b = le.AppendUint64(b, rec.Seq)
	b = le.AppendUint64(b, uint64(rec.Time))
	b = le.AppendUint64(b, uint64(rec.Origin))
	if k.seal != nil {
		b = k.seal.appendSealed(b, rec)
	} else {
		b = append(b, rec.Payload...)
	}
	return le.AppendUint32(b, crc32.Update(k.seed, castagnoli, b[start:]))
}

// frameLen returns the size of the frame that seems to start at b, or 0 if none
// does. b holds at least frameHeader bytes.
func (k frameKey) frameLen(b []byte) int64 {
	n := binary.LittleEndian.Uint32(b[4:])
	if binary.LittleEndian.Uint32(b) != k.marker || n > MaxRecordBytesLimit+sealOverhead {
		return 0
	}
	return frameSize(int(n))
}

// parseFrame decodes b, which is as long as frameLen said. The payload aliases b, or
// is valid until the next call if it was encrypted.
func (k frameKey) parseFrame(b []byte) (Record, bool) {
	le := binary.LittleEndian
	end := len(b) - 4
	if crc32.Update(k.seed, castagnoli, b[:end]) != le.Uint32(b[end:]) {
		return Record{}, false
	}
	rec := Record{
		Seq:     le.Uint64(b[8:]),
		Time:    int64(le.Uint64(b[16:])),
		Origin:  int64(le.Uint64(b[24:])),
		Payload: b[frameHeader:end:end],
	}
	if k.seal != nil && !k.seal.open(&rec, b[:frameHeader]) {
		return Record{}, false
	}
	return rec, true
}
