package trail

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/adminsessions/adminsessions"
)

// Loki answers (?i)text without a regular expression, by comparing lower case
// byte by byte, which is fast and right for ASCII. Of other letters it misses
// those whose two cases do not start with the same byte (Cyrillic р and Р) or
// are not equally long (Turkish İ). So the hint for other text is the longest
// part that Loki compares rightly, and the comparison a real regular expression.
// Text without such a part takes several times as long to look for.

// hint lets through lines of which the part for people may contain one of some
// texts, whatever the case: it is cheap, and leaves few lines. A query has one at
// most, since a second one is slow.
func (e *expression) hint(texts ...string) {
	var hints []string
	for _, t := range texts {
		t = clean(t)
		some := hintsFor(t, forms(t))
		if len(some) == 0 {
			return
		}
		for _, h := range some {
			hints = append(hints, quote("(?i)"+regexp.QuoteMeta(h)))
		}
	}
	if e.hints == "" && len(hints) > 0 {
		e.hints = " |~ " + strings.Join(hints, " or ")
	}
}

// contained are conditions of which one holds if the part for people contains
// text, whatever the case. With the operator !~ all hold if it does not.
func (e *expression) contained(text, operator string) []string {
	return each(forms(clean(text)), func(f form) string { return e.people() + operator + quote(f.pattern()) })
}

// hintsFor are texts of which a line has one if it has a form of text: one that
// all forms have, if that tells lines apart, else one of each form. They are none
// if Loki could not compare one of them rightly.
func hintsFor(text string, all []form) (hints []string) {
	if len(all) > 1 {
		if piece := commonPiece(text); piece != "" {
			return []string{piece}
		}
	}
	for _, form := range all {
		hint := form.written
		if !isASCII(hint) {
			hint = longestPlain(hint)
		}
		if hint == "" {
			return nil
		}
		hints = append(hints, hint)
	}
	slices.Sort(hints)
	return slices.Compact(hints)
}

// skeleton is what every line has.
var skeleton = strings.ToLower((&adminsessions.Event{}).Line())

// commonPiece is the longest part of text that stands in all its forms as it is,
// and not in every line; "" if there is none worth looking for.
func commonPiece(text string) (longest string) {
	for piece := range strings.FieldsFuncSeq(text, func(r rune) bool { return encodeWord("x"+string(r)) != "x"+string(r) }) {
		if !isASCII(piece) {
			piece = longestPlain(piece)
		}
		if len(piece) >= 3 && len(piece) > len(longest) && !strings.Contains(skeleton, strings.ToLower(piece)) {
			longest = piece
		}
	}
	return longest
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
