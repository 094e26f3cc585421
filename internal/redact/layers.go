package redact

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxLayers is how often text is decoded. What is still encoded then was made
// to hide something.
const maxLayers = 8

// layers calls f with a text and with what comes out of it when it is decoded,
// as often as something can be decoded, until f returns true. It returns
// whether f did, or true when there is no end.
func layers(s string, f func(string) bool) bool {
	if f(s) {
		return true
	}
	for range maxLayers {
		before := s
		for _, decode := range [...]func(string) string{percentDecode, htmlDecode, escapesDecode, visibleOnly, compatible} {
			decoded := decode(s)
			if decoded == s {
				continue
			}
			if s = decoded; f(s) {
				return true
			}
		}
		if s == before {
			return false
		}
	}
	return true
}

// decodeAll decodes as often as something can be decoded.
func decodeAll(s string) string {
	last := s
	layers(s, func(decoded string) bool { last = decoded; return false })
	return last
}

// percentDecode decodes escapes of URLs, and %uXXXX, which some servers take
// for one. What is no escape stays: it must not keep others from being read.
func percentDecode(s string) string {
	i := strings.IndexByte(s, '%')
	if i < 0 {
		return s
	}
	b := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		if i+5 < len(s) && s[i+1]|0x20 == 'u' {
			if r, ok := hexRune(s[i+2 : i+6]); ok {
				b = utf8.AppendRune(b, r)
				i += 5
				continue
			}
		}
		b = append(b, '%')
	}
	return string(b)
}

func htmlDecode(s string) string {
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	return html.UnescapeString(s)
}

// escapesDecode decodes escapes of JSON and of its relatives.
func escapesDecode(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	b := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		rest := s[i+1:]
		switch {
		case len(rest) >= 5 && rest[0]|0x20 == 'u':
			if r, ok := hexRune(rest[1:5]); ok {
				b = utf8.AppendRune(b, r)
				i += 5
				continue
			}
			if end := strings.IndexByte(rest[:min(len(rest), 9)], '}'); rest[1] == '{' && end > 2 {
				if r, ok := hexRune(rest[2:end]); ok {
					b = utf8.AppendRune(b, r)
					i += end + 1
					continue
				}
			}
		case len(rest) >= 3 && rest[0] == 'x' && isHex(rest[1]) && isHex(rest[2]):
			b = append(b, unhex(rest[1])<<4|unhex(rest[2]))
			i += 3
			continue
		case strings.IndexByte(`"'/\`+"`", rest[0]) >= 0:
			b = append(b, rest[0])
			i++
			continue
		}
		b = append(b, '\\')
	}
	return string(b)
}

// visibleOnly takes out what can't be seen: it must not divide a name.
func visibleOnly(s string) string {
	hidden := func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f || r >= 0x80 && unicode.In(r, unicode.Cf, unicode.Cc, unicode.Variation_Selector)
	}
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if hidden(r) {
			return -1
		}
		return r
	}, s)
}

// compatible replaces full-width letters and digits, blanks that don't break
// and their like by the usual ones.
func compatible(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return norm.NFKC.String(s)
		}
	}
	return s
}

func unhex(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	default:
		return c | 0x20 - 'a' + 10
	}
}

func hexRune(s string) (rune, bool) {
	r := rune(0)
	for i := range len(s) {
		if !isHex(s[i]) {
			return 0, false
		}
		r = r<<4 | rune(unhex(s[i]))
	}
	return r, len(s) > 0 && r <= unicode.MaxRune
}
