package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A segment's header and a slot of the cursor each begin with a mark whose last byte
// is the version of their format, and end with a checksum. Every version keeps that
// much: so a file that a newer program has written is told from one that is damaged.
// To take it for damage would set all of its records aside.

// ErrFormat matches, with errors.Is, the error about a spool that a newer program
// has written. Nothing in it was changed.
var ErrFormat = errors.New("the format of a newer version")

// NewerFormat is the error about a file whose format this program does not know.
func NewerFormat(file string, version, known byte) error {
	return fmt.Errorf("%s has %w (%d; this program knows up to %d): start the newer program again, and let it deliver what is in the spool before you go back",
		file, ErrFormat, version, known)
}

// newerThan returns the version of a header or a slot, if it is whole and newer than
// that of the mark. b is as long as the checksum reaches.
func newerThan(mark string, b []byte) (version byte, newer bool) {
	at, end := len(mark)-1, len(b)-4
	if string(b[:at]) != mark[:at] || b[at] <= mark[at] {
		return 0, false
	}
	return b[at], crc32.Checksum(b[:end], castagnoli) == binary.LittleEndian.Uint32(b[end:])
}
