package redact

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxName is the length from which a name is no longer looked at: it is taken
// for a secret's.
const maxName = 200

// Name reports whether a name is that of a secret, whatever its value.
func Name(name string) bool { return rules.name(name) == always }

// table is nameRules made fit for looking up.
type table struct {
	words           map[string]entry
	starts, ends    [256][]affix // by their first and by their last byte
	ins             [256][]affix
	parts           [256][]affix
	harmless        map[string]bool
	masks           []string       // harmless words with more than one part of a name in them
	nouns           [256][]nounEnd // by their last byte
	of              []map[string]bool
	about, identify map[string]bool
	linkNames       map[string]bool
	mailed, codes   map[string]bool
}

type nounEnd struct {
	text string
	kind int // in of
}

// entry says what a word means as part of a name, and as the whole of it.
type entry struct{ word, whole when }

type affix struct {
	text string
	when when
}

var rules = compile(nameRules)

func compile(list []nameRule) *table {
	t := &table{
		words: map[string]entry{}, harmless: set(harmless),
		about: set(about), identify: set(identifies), linkNames: set(links), mailed: set(mailed), codes: set(codes),
	}
	for _, r := range list {
		w := r.when
		if w == never {
			w = always
		}
		each(r.word, func(s string) { t.words[s] = entry{w, t.words[s].whole} })
		each(r.whole, func(s string) { t.words[s] = entry{t.words[s].word, w} })
		each(r.start, func(s string) { t.starts[s[0]] = append(t.starts[s[0]], affix{s, w}) })
		each(r.end, func(s string) { t.ends[s[len(s)-1]] = append(t.ends[s[len(s)-1]], affix{s, w}) })
		each(r.in, func(s string) { t.ins[s[0]] = append(t.ins[s[0]], affix{s, w}) })
		each(r.part, func(s string) { t.parts[s[0]] = append(t.parts[s[0]], affix{s, w}) })
	}
	for i, n := range nouns {
		each(n.words, func(s string) { t.nouns[s[len(s)-1]] = append(t.nouns[s[len(s)-1]], nounEnd{s, i}) })
		t.of = append(t.of, set(n.of))
	}
	each(harmless, func(s string) { t.masks = append(t.masks, s) })
	return t
}

func each(list string, f func(string)) {
	for s := range strings.FieldsSeq(list) {
		f(fold(s))
	}
}

func set(list string) map[string]bool {
	m := map[string]bool{}
	each(list, func(s string) { m[s] = true })
	return m
}

// fold takes off accents and cases, so that a table needs one spelling.
func fold(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] < 0x80 && !isUpper(s[i])
	}
	if plain {
		return s
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Cf, unicode.Cc):
		case r == 'ł' || r == 'Ł':
			b.WriteByte('l')
		case r == 'ø' || r == 'Ø':
			b.WriteByte('o')
		case r == 'đ' || r == 'Đ':
			b.WriteByte('d')
		case r == 'ı':
			b.WriteByte('i')
		case r == 'ß':
			b.WriteString("ss")
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// split is a name in small letters without separators, and where its words
// begin. It is of a fixed size so that it needs no memory of its own.
type split struct {
	text   [maxName]byte
	length int
	starts [maxWords]uint8
	words  int
}

const maxWords = 24

func (s *split) joined() []byte { return s.text[:s.length] }

// word returns the n-th word.
func (s *split) word(n int) []byte {
	if n+1 < s.words {
		return s.text[s.starts[n]:s.starts[n+1]]
	}
	return s.text[s.starts[n]:s.length]
}

// divide takes a name apart. It returns false if that is more than fits.
func (s *split) divide(name string) bool {
	if len(name) > maxName {
		return false
	}
	var prev byte
	open := false // within a word
	for i := range len(name) {
		c := name[i]
		class := classes[c]
		if class == other {
			open, prev = false, c
			continue
		}
		if class == capital {
			if p := classes[prev]; p == small || p == capital && i+1 < len(name) && isLower(name[i+1]) {
				open = false
			}
		}
		if !open {
			if s.words == maxWords {
				return false
			}
			s.starts[s.words] = uint8(s.length)
			s.words++
			open = true
		}
		prev = c
		if class == capital {
			c |= 0x20
		}
		s.text[s.length] = c
		s.length++
	}
	return true
}

// class tells the bytes of names apart.
type class uint8

const (
	other class = iota
	small
	capital
	digit // and what is not ASCII
)

var classes = func() (t [256]class) {
	for c := range 256 {
		switch b := byte(c); {
		case isLower(b):
			t[c] = small
		case isUpper(b):
			t[c] = capital
		case isDigit(b), b >= 0x80:
			t[c] = digit
		}
	}
	return t
}()

// name says for which values a name, decoded, marks a secret.
func (t *table) name(name string) when {
	for i := range len(name) {
		if name[i] >= 0x80 {
			name = fold(keepCase(name[:min(len(name), 2*maxName)]))
			break
		}
	}
	var s split
	if !s.divide(name) {
		return always
	}
	if s.length == 0 {
		return never
	}
	switch w := t.look(&s); {
	case w == always && t.tells(&s):
		return unlessTold
	case w == unlessPlain && t.identify[string(s.word(s.words-1))], w == always && s.isIDOfKey():
		return unlessPlainID
	default:
		return w
	}
}

// isIDOfKey reports whether a name asks which key is meant: "key_id".
func (s *split) isIDOfKey() bool {
	if s.words < 2 {
		return false
	}
	id, key := string(s.word(s.words-1)), string(s.word(s.words-2))
	return (id == "id" || id == "ids" || id == "uuid") && (key == "key" || key == "keys")
}

// keepCase divides the words of a name that is not ASCII before its cases are
// folded.
func keepCase(name string) string {
	var b strings.Builder
	var prev rune
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(prev) {
			b.WriteByte('_')
		}
		b.WriteRune(r)
		prev = r
	}
	return b.String()
}

func (t *table) look(s *split) when {
	joined := s.joined()
	found := never
	if s.words > 1 {
		if t.harmless[string(joined)] {
			return never
		}
		e := t.words[string(joined)]
		found = stronger(e.word, e.whole)
	}
	for i := range s.words {
		if found = stronger(found, t.word(s.word(i), s.words == 1)); found == always {
			return always
		}
	}
	if t.noun(s) {
		return always
	}
	for i, c := range joined {
		for _, p := range t.parts[c] {
			if hasPrefix(joined[i:], p.text) && !t.masked(joined, i, len(p.text)) {
				found = stronger(found, p.when)
			}
		}
	}
	return found
}

func stronger(a, b when) when {
	if a == never || b != never && b < a {
		return b
	}
	return a
}

// word looks at one word, which may be the whole name.
func (t *table) word(w []byte, whole bool) when {
	found := t.words[string(w)]
	bare := trimDigits(w)
	if len(bare) == 0 {
		return found.word
	}
	if len(bare) != len(w) && found.word == never {
		found.word = t.words[string(bare)].word
	}
	if found.word != never {
		return found.word
	}
	if whole && found.whole != never {
		return found.whole
	}
	for _, p := range t.starts[bare[0]] {
		if hasPrefix(bare, p.text) && !t.harmless[string(bare)] {
			return p.when
		}
	}
	for _, p := range t.ends[bare[len(bare)-1]] {
		if hasSuffix(bare, p.text) && !t.harmless[string(bare)] {
			return p.when
		}
	}
	for i, c := range bare {
		for _, p := range t.ins[c] {
			if hasPrefix(bare[i:], p.text) && !t.masked(bare, i, len(p.text)) {
				return p.when
			}
		}
	}
	return never
}

// noun looks for the words that may be of something harmless.
func (t *table) noun(s *split) bool {
	for i := range s.words {
		w := trimDigits(s.word(i))
		if len(w) == 0 {
			continue
		}
		for _, n := range t.nouns[w[len(w)-1]] {
			if hasSuffix(w, n.text) && !t.isOf(s, i, w, n) {
				return true
			}
		}
	}
	return false
}

// isOf reports whether the noun at the end of the i-th word is one of
// something harmless: in "zip_code", "zipcode" and "ZIPcode".
func (t *table) isOf(s *split, i int, w []byte, n nounEnd) bool {
	joined, of := s.joined(), t.of[n.kind]
	if t.isHarmless(w) || t.isHarmless(joined) || of[string(w[:len(w)-len(n.text)])] {
		return true
	}
	if hasSuffix(joined, n.text) && of[string(joined[:len(joined)-len(n.text)])] {
		return true
	}
	for j := range s.words {
		if j != i && len(w) == len(n.text) && of[string(trimDigits(s.word(j)))] {
			return true
		}
	}
	return false
}

func (t *table) isHarmless(w []byte) bool {
	if t.harmless[string(w)] {
		return true
	}
	return len(w) > 1 && w[len(w)-1] == 's' && t.harmless[string(w[:len(w)-1])]
}

// masked reports whether what was found at i is part of a harmless word.
func (t *table) masked(name []byte, i, length int) bool {
	for _, m := range t.masks {
		if len(m) < length || len(m) > len(name) {
			continue
		}
		for at := max(0, i+length-len(m)); at <= i && at+len(m) <= len(name); at++ {
			if string(name[at:at+len(m)]) == m {
				return true
			}
		}
	}
	return false
}

// tells reports whether a name asks about a secret rather than for it.
func (t *table) tells(s *split) bool {
	for i := range s.words {
		if t.about[string(s.word(i))] {
			return true
		}
	}
	return false
}

func trimDigits(w []byte) []byte {
	for len(w) > 0 && isDigit(w[len(w)-1]) {
		w = w[:len(w)-1]
	}
	for len(w) > 0 && isDigit(w[0]) {
		w = w[1:]
	}
	return w
}

func hasPrefix(b []byte, s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }
func hasSuffix(b []byte, s string) bool { return len(b) >= len(s) && string(b[len(b)-len(s):]) == s }
