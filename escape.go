package adminsessions

import "unicode/utf8"

// How the values of a line are quoted. parse.go has the way back.

const hexDigits = "0123456789abcdef"

// Classes of bytes, by what must be done with them.
const (
	escapeInText = 1 << iota
	escapeInWord
	notASCII
)

var byteClass = func() (t [256]byte) {
	for c := range t {
		if c < ' ' || c == 0x7f || c == '"' || c == '\\' {
			t[c] |= escapeInText | escapeInWord
		}
		if c == ' ' || c == '=' || c == '%' || c == '<' || c == '>' {
			t[c] |= escapeInWord
		}
		if c >= utf8.RuneSelf {
			t[c] |= notASCII
		}
	}
	return t
}()

// appendEscaped appends s as it stands between the quotes of a JSON string.
func appendEscaped(b []byte, s string) []byte {
	return appendWith(b, s, plainPrefix(s), escapeInText, appendTextEscape)
}

// appendWith appends s, with an escape for each byte of a class, and the
// replacement for each that is not UTF-8. What lies before plain needs neither.
func appendWith(b []byte, s string, plain int, class byte, escape func([]byte, byte) []byte) []byte {
	start := 0
	for i := plain; i < len(s); {
		switch is := byteClass[s[i]]; {
		case is&(class|notASCII) == 0:
			i++
		case is&notASCII != 0:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError {
				b = append(b, s[start:i]...)
				b = utf8.AppendRune(b, replacement)
				start = i + n
			}
			i += n
		default:
			b = append(b, s[start:i]...)
			b = escape(b, s[i])
			i++
			start = i
		}
	}
	return append(b, s[start:]...)
}

func appendTextEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

func appendWordEscape(b []byte, c byte) []byte {
	return append(b, '%', hexDigits[c>>4], hexDigits[c&15])
}

// plainPrefix returns how many bytes at the beginning of a text surely stand as
// they are. It looks at eight at once: a byte that does not has, after the
// subtraction that fits, its top bit set.
func plainPrefix(s string) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		p := s[i : i+8]
		w := uint64(p[0]) | uint64(p[1])<<8 | uint64(p[2])<<16 | uint64(p[3])<<24 |
			uint64(p[4])<<32 | uint64(p[5])<<40 | uint64(p[6])<<48 | uint64(p[7])<<56
		quote, slash, del := w^ones*'"', w^ones*'\\', w^ones*0x7f
		if (w|(w-ones*' ')|(quote-ones)&^quote|(slash-ones)&^slash|(del-ones)&^del)&tops != 0 {
			break
		}
	}
	return i
}

// isWord reports whether b can stand in a line as it is.
func isWord(b []byte) bool {
	for _, c := range b {
		if byteClass[c]&(escapeInWord|notASCII) != 0 {
			return false
		}
	}
	return string(b) != unknown
}

// appendWord appends s as one word.
func appendWord(b []byte, s string) []byte {
	switch s {
	case "":
		return append(b, unknown...)
	case unknown:
		return append(b, "%2d"...)
	}
	return appendWith(b, s, 0, escapeInWord, appendWordEscape)
}

// fitting is the length of the longest part of an escaped text, from its
// beginning, that is at most limit bytes and ends neither within a character nor
// within an escape.
func fitting(b []byte, limit int) int {
	if len(b) <= limit {
		return len(b)
	}
	n := 0
	for n < limit {
		step := 1
		switch {
		case b[n] == '\\' && b[n+1] == 'u':
			step = 6
		case b[n] == '\\':
			step = 2
		case b[n] >= utf8.RuneSelf:
			_, step = utf8.DecodeRune(b[n:])
		}
		if n+step > limit {
			break
		}
		n += step
	}
	return n
}

// cutString returns the longest prefix of s of at most n bytes that does not
// end within a character.
func cutString(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
