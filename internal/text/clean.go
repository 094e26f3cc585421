// Package text makes text from outside fit to be recorded: valid UTF-8 of a
// bounded length in which everything can be seen.
package text

import (
	"strings"
	"unicode/utf8"
)

// Replacement stands for every character that [Clean] does not let through. It
// is not U+FFFD: Loki fails a whole query, or leaves the event out of a count,
// when a parsed label holds that.
const Replacement = '□' // U+25A1

// Clean returns s as valid UTF-8 of at most limit bytes in which every
// character can be seen, so that two texts that differ also look different:
// control characters, line and paragraph separators, marks of the direction of
// writing, fillers, variation selectors, blanks other than the space,
// noncharacters, private characters and bytes that are not UTF-8 each become
// [Replacement]. What an emoji or a script needs (the joiners of a family, of
// Persian, of Sinhala) stays where it has an effect.
//
// cut reports whether s was too long. A clean s of a fitting length is returned
// as it is. Cleaning twice changes nothing.
func Clean(s string, limit int) (_ string, cut bool) {
	limit = max(limit, 0)
	// Four bytes become three at worst, so what lies behind twice the limit
	// can't be part of the result: work follows the limit, not the input.
	if limit < len(s)/2-utf8.UTFMax {
		s = s[:2*limit+utf8.UTFMax]
	}
	dirty := firstDirty(s)
	if dirty == len(s) {
		if len(s) <= limit {
			return s, false
		}
		return trimJoiners(s[:boundary(s, limit)]), true
	}
	b := make([]byte, 0, min(len(s)+8, limit))
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !isVisible(s, i, r, size) {
			r = Replacement
		}
		if len(b)+utf8.RuneLen(r) > limit {
			return trimJoiners(string(b)), true
		}
		b = utf8.AppendRune(b, r)
		i += size
	}
	return string(b), false
}

// firstDirty returns the offset of the first character that has to be
// replaced, or len(s).
func firstDirty(s string) int {
	for i := 0; i < len(s); {
		for i+8 <= len(s) && isPlain(s[i:i+8]) {
			i += 8
		}
		if i == len(s) {
			break
		}
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f {
				return i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if !isVisible(s, i, r, size) {
			return i
		}
		i += size
	}
	return len(s)
}

// isPlain reports whether eight bytes are all printable ASCII, at once: what
// is not has, after the subtraction that fits, the top bit of its byte set. It
// may take a plain byte beside one that is not for another.
func isPlain(s string) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	del := w ^ ones*0x7f
	return (w|(w-ones*' ')|(del-ones)&^del)&tops == 0
}

// boundary returns the largest offset of at most limit at which s can be cut
// without dividing a character. limit must be less than len(s).
func boundary(s string, limit int) int {
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return limit
}

// trimJoiners takes off what joined the last character to one that was cut off.
func trimJoiners(s string) string {
	return strings.TrimRightFunc(s, needsNeighbours)
}
