package trail

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// search wants events whose part for people contains text, whatever the case.
//
// A line filter is the hint: it is cheap, and leaves few lines. Then the part for
// people is taken out of those and looked at.
//
// Loki answers (?i)text without a regular expression, by comparing lower case
// byte by byte, which is fast and right for ASCII. Of other letters it misses
// those whose two cases do not start with the same byte (Cyrillic р and Р) or
// are not equally long (Turkish İ). So the hint for other text is the longest
// part that Loki compares rightly, and the comparison a real regular expression.
// Text without such a part takes several times as long to look for.
func (e *expression) search(text string) {
	if text == "" {
		return
	}
	var hints, exact []string
	hinted := true
	for _, form := range forms(clean(text)) {
		hint := form.written
		if !isASCII(hint) {
			hint = longestPlain(hint)
		}
		hinted = hinted && hint != ""
		hints = append(hints, quote("(?i)"+regexp.QuoteMeta(hint)))
		exact = append(exact, captured+"people=~"+quote(form.pattern()))
	}
	if hinted {
		slices.Sort(hints)
		e.lines.WriteString(" |~ " + strings.Join(slices.Compact(hints), " or "))
	}
	e.labels = append(e.labels, "pattern "+quote("<"+captured+"people>\t<_>"))
	e.where(strings.Join(exact, " or "))
	e.dropped = append(e.dropped, captured+"people")
}

// pattern is a regular expression for the people's part of a line that has the
// form. The first quote in it ends the words.
func (f form) pattern() string {
	anything := ".*"
	if !isASCII(f.written) {
		anything = "(?s:.*)" // Loki takes no short cut with it
	}
	switch written := regexp.QuoteMeta(f.written); f.within {
	case wordsOnly:
		return `(?i)[^"]*` + written + anything
	case textsOnly:
		return `(?i)[^"]*".*` + written + anything
	default:
		return "(?i)" + anything + written + anything
	}
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
