package instrumentation

import (
	"unicode/utf8"
)

// clean returns s as valid UTF-8 of at most limit bytes in which nothing can
// break or forge a line: control characters, line and paragraph separators,
// marks that change the direction of writing and other invisible characters
// become U+FFFD. cut reports whether s was too long. A clean s of a fitting
// length is returned as it is.
func clean(s string, limit int) (_ string, cut bool) {
	dirty := firstDirty(s)
	if dirty == len(s) {
		if len(s) <= limit {
			return s, false
		}
		return s[:runeBoundary(s, limit)], true
	}
	b := make([]byte, 0, min(len(s)+8, limit+utf8.UTFMax))
	for _, r := range s { // an invalid byte is utf8.RuneError
		if isDirty(r) {
			r = utf8.RuneError
		}
		if len(b)+utf8.RuneLen(r) > limit {
			return string(b), true
		}
		b = utf8.AppendRune(b, r)
	}
	return string(b), false
}

// firstDirty returns the offset of the first byte that clean has to replace,
// or len(s).
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
		if r == utf8.RuneError && size == 1 || isDirty(r) {
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

func isDirty(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f: // C0, DEL, C1
		return true
	case r < 0xad:
		return false
	case r == 0xad, // soft hyphen
		r == 0x061c,              // Arabic letter mark
		r == 0x180e,              // Mongolian vowel separator
		r == 0x200b,              // zero width space; the joiners are letters of some scripts
		r == 0x200e, r == 0x200f, // left-to-right and right-to-left mark
		r >= 0x2028 && r <= 0x202e, // separators, embeddings and overrides
		r >= 0x2060 && r <= 0x206f, // isolates and invisible operators
		r == 0xfeff,                // byte order mark
		r >= 0xfff9 && r <= 0xfffb, // interlinear annotation
		r >= 0xe0000 && r <= 0xe007f:
		return true // tags
	}
	return false
}

// runeBoundary returns the largest offset of at most limit at which s can be
// cut without dividing a character. limit must be less than len(s).
func runeBoundary(s string, limit int) int {
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return limit
}
