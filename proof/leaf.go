package proof

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/rfc6962"
)

// Hash is a SHA-256 of RFC 6962: of a leaf, or of a node of the tree.
type Hash [sha256.Size]byte

// MarshalText is the hash in base64.
func (h Hash) MarshalText() ([]byte, error) { return []byte(encode(h)), nil }

// UnmarshalText reads a hash in base64.
func (h *Hash) UnmarshalText(text []byte) (err error) {
	*h, err = decode(string(text))
	return err
}

// What leaves begin with: an event, or the declaration of a gap.
const (
	kindEvent = 'E'
	kindGap   = 'G'
)

// Leaf is the hash of an event as Loki stores it: the labels of its stream as
// Loki writes them ([Labels]), its time in Unix nanoseconds, its line. scratch is
// used for the leaf's bytes and returned for the next one.
func Leaf[L string | []byte](labels string, nanos int64, line L, scratch []byte) (h Hash, _ []byte) {
	b := append(scratch[:0], rfc6962.RFC6962LeafHashPrefix, kindEvent)
	b = binary.AppendUvarint(b, uint64(len(labels)))
	b = append(b, labels...)
	b = binary.BigEndian.AppendUint64(b, uint64(nanos))
	b = append(b, line...)
	return sha256.Sum256(b), b
}

// GapLeaf is the hash that stands for an event that is declared not to be in the
// trail. It does not tell which one, its place does; so a run of any length is
// appended in a few steps.
func GapLeaf(reason string) Hash {
	b := []byte{rfc6962.RFC6962LeafHashPrefix, kindGap}
	return sha256.Sum256(append(b, reason...))
}

// Labels writes a stream's labels as Loki does: {a="x", b="y"}, in the order of
// their names.
func Labels(labels map[string]string) string {
	names := make([]string, 0, len(labels))
	for name := range labels {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name)
		b.WriteByte('=')
		b.WriteString(strconv.Quote(labels[name]))
	}
	b.WriteByte('}')
	return b.String()
}
