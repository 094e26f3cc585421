package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// isVisible reports whether the character r, size bytes at s[i], can be seen,
// or changes how its neighbours look.
func isVisible(s string, i int, r rune, size int) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f: // C0, DEL, C1
		return false
	case r < 0xa0:
		return true
	case r == utf8.RuneError: // not UTF-8, or the character itself
		return false
	case r < 0x34f:
		return r != 0xa0 && r != 0xad
	case r&0xfffe == 0xfffe: // the noncharacters at the end of each plane
		return false
	case needsNeighbours(r):
		return hasEffect(s, i, r, size)
	case unicode.Is(invisible, r):
		return false
	}
	return isAssigned(r)
}

// isAssigned reports whether r is a character at all. What is none looks like
// any other that is none, or like nothing. Blocks of emoji and ideographs, that
// each version of Unicode adds to, are taken as full.
func isAssigned(r rune) bool {
	return unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r) || unicode.Is(emoji, r) || r >= 0x20000 && r < 0x40000
}

// invisible are the characters that show nothing, or nothing of their own: the
// default ignorable and format characters of Unicode without those of format
// that are drawn (the Arabic number sign), all spaces but the usual one,
// symbols that are blank, noncharacters and private characters.
var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00a0, Hi: 0x00a0, Stride: 1}, // no-break space
		{Lo: 0x00ad, Hi: 0x00ad, Stride: 1}, // soft hyphen
		{Lo: 0x034f, Hi: 0x034f, Stride: 1}, // combining grapheme joiner
		{Lo: 0x061c, Hi: 0x061c, Stride: 1}, // Arabic letter mark
		{Lo: 0x115f, Hi: 0x1160, Stride: 1}, // Hangul fillers
		{Lo: 0x1680, Hi: 0x1680, Stride: 1}, // Ogham space
		{Lo: 0x17b4, Hi: 0x17b5, Stride: 1}, // Khmer inherent vowels
		{Lo: 0x2000, Hi: 0x200b, Stride: 1}, // spaces of a certain width, zero width space
		{Lo: 0x200e, Hi: 0x200f, Stride: 1}, // left-to-right and right-to-left mark
		{Lo: 0x2028, Hi: 0x202f, Stride: 1}, // separators, embeddings, overrides, narrow space
		{Lo: 0x205f, Hi: 0x206f, Stride: 1}, // mathematical space, invisible operators, isolates
		{Lo: 0x2800, Hi: 0x2800, Stride: 1}, // Braille blank
		{Lo: 0x3164, Hi: 0x3164, Stride: 1}, // Hangul filler
		{Lo: 0xd800, Hi: 0xf8ff, Stride: 1}, // surrogates, private characters
		{Lo: 0xfdd0, Hi: 0xfdef, Stride: 1}, // noncharacters
		{Lo: 0xfe00, Hi: 0xfe0e, Stride: 1}, // variation selectors
		{Lo: 0xfeff, Hi: 0xfeff, Stride: 1}, // byte order mark
		{Lo: 0xffa0, Hi: 0xffa0, Stride: 1}, // halfwidth Hangul filler
		{Lo: 0xfff0, Hi: 0xffff, Stride: 1}, // specials: annotation, object replacement
	},
	R32: []unicode.Range32{
		{Lo: 0x13430, Hi: 0x13442, Stride: 1},  // Egyptian format characters and blanks
		{Lo: 0x16fe4, Hi: 0x16fe4, Stride: 1},  // Khitan filler
		{Lo: 0x1bca0, Hi: 0x1bca3, Stride: 1},  // shorthand format characters
		{Lo: 0x1d159, Hi: 0x1d159, Stride: 1},  // null notehead
		{Lo: 0x1d173, Hi: 0x1d17a, Stride: 1},  // musical format characters
		{Lo: 0xe0000, Hi: 0x10ffff, Stride: 1}, // tags, variation selectors, private planes
	},
}

const (
	nonJoiner      = 0x200c
	joiner         = 0x200d
	emojiStyle     = 0xfe0f // variation selector 16
	keycap         = 0x20e3
	wideSpace      = 0x3000
	blackFlag      = 0x1f3f4
	firstTag       = 0xe0020
	lastTag        = 0xe007f // ends a sequence of tags
	firstMongolian = 0x180b  // variation selectors and the vowel separator
	lastMongolian  = 0x180f
)

// needsNeighbours reports whether r shows nothing by itself, but something with
// the characters beside it.
func needsNeighbours(r rune) bool {
	switch r {
	case nonJoiner, joiner, emojiStyle, wideSpace:
		return true
	}
	return isStacker(r) || r >= firstMongolian && r <= lastMongolian || r >= firstTag && r <= lastTag
}

// hasEffect reports whether a character that needs its neighbours has them.
func hasEffect(s string, i int, r rune, size int) bool {
	before, n := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[i+size:])
	switch r {
	case emojiStyle:
		if strings.ContainsRune("0123456789#*", before) {
			return after == keycap
		}
		return unicode.Is(emoji, before)
	case joiner:
		if before == emojiStyle {
			before, _ = utf8.DecodeLastRuneInString(s[:i-n])
			return unicode.Is(emoji, before) && unicode.Is(emoji, after)
		}
		if unicode.Is(emoji, before) {
			return unicode.Is(emoji, after)
		}
		return joins(before, after)
	case nonJoiner:
		return joins(before, after) && isLetter(after)
	case wideSpace:
		return isIdeographic(before) && isIdeographic(after)
	}
	switch {
	case isStacker(r):
		return isScriptLetter(before) && isScriptLetter(after)
	case r >= firstTag && r <= lastTag:
		return isFlag(s, i)
	}
	return unicode.Is(unicode.Mongolian, before) && unicode.In(before, unicode.L)
}

// joins reports whether a joiner between two characters changes how their
// script draws them: behind a letter of a cursive script that joins the next one,
// and beside the sign that takes a letter's vowel away (virama).
func joins(before, after rune) bool {
	switch {
	case !isScriptLetter(before), isLetter(after) && !isScriptLetter(after):
		return false
	case unicode.In(before, cursive...):
		return !unicode.Is(lonely, before) && (!isLetter(after) || unicode.In(after, cursive...) || unicode.Is(unicode.Mn, after))
	}
	return isVirama(before) || isVirama(after) && !isStacker(after)
}

var cursive = []*unicode.RangeTable{
	unicode.Arabic, unicode.Syriac, unicode.Nko, unicode.Mandaic, unicode.Mongolian,
	unicode.Phags_Pa, unicode.Adlam, unicode.Hanifi_Rohingya,
}

// lonely are letters of the Arabic script that never join the next one (RFC
// 5892 A.1, Unicode's ArabicShaping.txt, joining types R and U).
var lonely = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x0621, Hi: 0x0625, Stride: 1}, // hamza, alef, waw with marks
	{Lo: 0x0627, Hi: 0x0627, Stride: 1}, // alef
	{Lo: 0x0629, Hi: 0x0629, Stride: 1}, // ta marbuta
	{Lo: 0x062f, Hi: 0x0632, Stride: 1}, // dal, thal, reh, zain
	{Lo: 0x0648, Hi: 0x0648, Stride: 1}, // waw
	{Lo: 0x0671, Hi: 0x0677, Stride: 1}, // further alefs and waws
	{Lo: 0x0688, Hi: 0x0699, Stride: 1}, // further dals and rehs
	{Lo: 0x06c0, Hi: 0x06c0, Stride: 1},
	{Lo: 0x06c3, Hi: 0x06cb, Stride: 1}, // further waws
	{Lo: 0x06cd, Hi: 0x06cd, Stride: 1},
	{Lo: 0x06cf, Hi: 0x06cf, Stride: 1},
	{Lo: 0x06d2, Hi: 0x06d5, Stride: 1}, // yeh barree, full stop, ae
	{Lo: 0x06ee, Hi: 0x06ef, Stride: 1},
}}

// isVirama reports whether r takes a letter's vowel away: its combining class
// is 9.
func isVirama(r rune) bool {
	return r >= 0x094d && norm.NFC.PropertiesString(string(r)).CCC() == 9
}

// isStacker reports whether r is a virama that is never drawn itself: it puts
// the next letter below the one before.
func isStacker(r rune) bool {
	switch r {
	case 0x1039, 0x17d2, 0x1a60, 0x1bab, 0xaaf6, 0x2d7f, // Myanmar, Khmer, Tai Tham, Sundanese, Meetei Mayek, Tifinagh
		0x10a3f, 0x1107f, 0x11133, 0x1193e, 0x11a47, 0x11a99, 0x11d45, 0x11d97, 0x11f42: // Kharoshthi, Brahmi, Chakma, Dives Akuru, Zanabazar, Soyombo, Gondi, Kawi
		return true
	}
	return false
}

// isLetter reports whether r is a letter or a mark that stays, whatever its
// neighbours.
func isLetter(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M) && !needsNeighbours(r) && !unicode.Is(invisible, r)
}

// isScriptLetter reports whether r is one of a script other than Latin and its
// kin, in which nothing joins.
func isScriptLetter(r rune) bool {
	return isLetter(r) && !unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic)
}

func isIdeographic(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo) && !unicode.Is(invisible, r)
}

// emoji are the characters that can be drawn in colour or be joined to others:
// whole blocks, as those of Unicode's tables lie in them.
var emoji = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00a9, Hi: 0x00ae, Stride: 5},
		{Lo: 0x203c, Hi: 0x2049, Stride: 13},
		{Lo: 0x2122, Hi: 0x2139, Stride: 23},
		{Lo: 0x2194, Hi: 0x21aa, Stride: 1},
		{Lo: 0x231a, Hi: 0x23ff, Stride: 1},
		{Lo: 0x24c2, Hi: 0x24c2, Stride: 1},
		{Lo: 0x25aa, Hi: 0x27bf, Stride: 1},
		{Lo: 0x2934, Hi: 0x2935, Stride: 1},
		{Lo: 0x2b05, Hi: 0x2b55, Stride: 1},
		{Lo: 0x3030, Hi: 0x303d, Stride: 13},
		{Lo: 0x3297, Hi: 0x3299, Stride: 2},
	},
	R32: []unicode.Range32{{Lo: 0x1f000, Hi: 0x1faff, Stride: 1}},
}

// isFlag reports whether the tag at s[i] is part of one of the flags that
// Unicode recommends to draw: England's, Scotland's, Wales'.
func isFlag(s string, i int) bool {
	const longest = 6 // tags
	start := i
	for range longest {
		r, n := utf8.DecodeLastRuneInString(s[:start])
		start -= n
		if r == blackFlag {
			rest := s[start:]
			return strings.HasPrefix(rest, england) || strings.HasPrefix(rest, scotland) || strings.HasPrefix(rest, wales)
		}
		if r < firstTag || r > lastTag {
			return false
		}
	}
	return false
}

const (
	england  = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
	scotland = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
	wales    = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
)
