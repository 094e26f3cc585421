package trail

import (
	"regexp"
	"unicode"
	"unicode/utf8"
)

// searchPatterns are regular expressions that, all together, a line matches
// only if it contains text, whatever the case.
//
// Loki answers (?i)text without a regular expression, by comparing lower case
// byte by byte, which is fast and right for ASCII. Of other letters it misses
// those whose two cases do not start with the same byte (Cyrillic р and Р) or
// are not equally long (Turkish İ). So other text is looked for in two steps:
// the longest part that Loki compares rightly, fast, and in the lines that have
// it the whole text by a real regular expression. Text without such a part
// takes several times as long to look for.
func searchPatterns(text string) []string {
	whole := "(?i)" + regexp.QuoteMeta(text)
	if isASCII(text) {
		return []string{whole}
	}
	// The optional character at the end keeps Loki from its short cut.
	whole += "(?s:.?)"
	if part := longestPlain(text); part != "" {
		return []string{"(?i)" + regexp.QuoteMeta(part), whole}
	}
	return []string{whole}
}

// longestPlain is the longest part of text, of two letters or more, that Loki
// compares rightly.
func longestPlain(text string) string {
	longest := ""
	start, letters := -1, 0
	for i, r := range text + string(unicode.MaxRune) {
		if r != unicode.MaxRune && foldsPlainly(r) && (start >= 0 || sameFirstByte(r)) {
			if start < 0 {
				start, letters = i, 0
			}
			letters++
			continue
		}
		if start >= 0 && letters >= 2 && i-start > len(longest) {
			longest = text[start:i]
		}
		start = -1
	}
	return longest
}

// foldsPlainly reports whether all cases of r are equally long and have the
// same lower case.
func foldsPlainly(r rune) bool {
	if r < utf8.RuneSelf {
		return true
	}
	lower := unicode.ToLower(r)
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		if utf8.RuneLen(f) != utf8.RuneLen(r) || unicode.ToLower(f) != lower {
			return false
		}
	}
	return utf8.RuneLen(lower) == utf8.RuneLen(r)
}

// sameFirstByte reports whether all cases of r start with the same byte of
// UTF-8; Loki looks for it in any case of ASCII.
func sameFirstByte(r rune) bool {
	if r < utf8.RuneSelf {
		return true
	}
	first := string(unicode.ToLower(r))[0]
	for f := unicode.SimpleFold(r); ; f = unicode.SimpleFold(f) {
		if string(f)[0] != first {
			return false
		}
		if f == r {
			return true
		}
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
