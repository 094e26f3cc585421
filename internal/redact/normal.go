package redact

import (
	"strings"
	"unicode/utf8"

	"github.com/adminsessions/adminsessions/internal/text"
)

const upperHex = "0123456789ABCDEF"

// appendNormal appends a part of a URL in the form that people read and search
// for (RFC 3986 6.2.2, RFC 3987 3.2): escapes of letters, digits and -._~, and
// of characters outside of ASCII that can be seen, are decoded; others stay,
// with capitals. A percent sign that begins no escape becomes %25, so that
// doing it again changes nothing.
func appendNormal(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < 0x80 && c != '%' {
			if c <= ' ' || c == 0x7f {
				b = appendEscape(b, c)
			} else {
				b = append(b, c)
			}
			i++
			continue
		}
		if c == '%' {
			decoded, ok := escapeAt(s, i)
			if !ok {
				b = append(b, "%25"...)
				i++
				continue
			}
			if decoded < 0x80 {
				if isAlnum(decoded) || decoded == '-' || decoded == '.' || decoded == '_' || decoded == '~' {
					b = append(b, decoded)
				} else {
					b = appendEscape(b, decoded)
				}
				i += 3
				continue
			}
		}
		b, i = appendBeyondASCII(b, s, i)
	}
	return b
}

// appendBeyondASCII appends the characters outside of ASCII that begin at i,
// escaped or not, and returns where they end.
func appendBeyondASCII(b []byte, s string, i int) ([]byte, int) {
	var space [64]byte
	run := space[:0]
	for i < len(s) {
		if s[i] >= 0x80 {
			run = append(run, s[i])
			i++
			continue
		}
		c, ok := escapeAt(s, i)
		if !ok || c < 0x80 {
			break
		}
		run = append(run, c)
		i += 3
	}
	whole := string(run)
	if isVisible(whole) {
		return append(b, whole...), i
	}
	for len(whole) > 0 {
		_, size := utf8.DecodeRuneInString(whole)
		if isVisible(whole[:size]) {
			b = append(b, whole[:size]...)
		} else {
			for j := range size {
				b = appendEscape(b, whole[j])
			}
		}
		whole = whole[size:]
	}
	return b, i
}

func isVisible(s string) bool {
	clean, _ := text.Clean(s, len(s))
	return clean == s
}

func escapeAt(s string, i int) (byte, bool) {
	if i+2 >= len(s) || s[i] != '%' || !isHex(s[i+1]) || !isHex(s[i+2]) {
		return 0, false
	}
	return unhex(s[i+1])<<4 | unhex(s[i+2]), true
}

func appendEscape(b []byte, c byte) []byte {
	return append(b, '%', upperHex[c>>4], upperHex[c&15])
}

// isNormal reports whether appendNormal would change nothing. It may say no of
// what is.
func isNormal(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '%' {
			return false
		}
	}
	return true
}

// appendCut appends s in normal form, and of a longer one the beginning and an
// ellipsis. cut reports whether something is missing.
func appendCut(b []byte, s string, limit int) (_ []byte, cut bool) {
	if len(s) > 3*limit { // an escape is three bytes at most of what it stands for
		s, cut = s[:3*limit], true
	}
	start := len(b)
	if isNormal(s) {
		b = append(b, s...)
	} else {
		b = appendNormal(b, s)
	}
	if !cut && len(b)-start <= limit {
		return b, false
	}
	end := min(len(b), start+limit)
	return append(b[:boundary(b, start, end)], "…"...), true
}

// withEllipsis cuts b to end bytes, the last of which are an ellipsis.
func withEllipsis(b []byte, start, end int) []byte {
	return append(b[:boundary(b, start, end-len("…"))], "…"...)
}

// boundary returns the largest offset of at most end, but start at least, that
// divides neither a character nor an escape.
func boundary(b []byte, start, end int) int {
	end = max(start, end)
	for end > start && end < len(b) && !utf8.RuneStart(b[end]) {
		end--
	}
	for back := end - 1; back >= max(start, end-2); back-- {
		if b[back] == '%' {
			return back
		}
	}
	return end
}

// withoutEnd takes off what may be half an escape.
func withoutEnd(s string) string {
	if i := strings.LastIndexByte(s[max(0, len(s)-2):], '%'); i >= 0 {
		return s[:max(0, len(s)-2)+i]
	}
	return s
}
