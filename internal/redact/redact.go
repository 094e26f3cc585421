// Package redact finds secrets in what is about to be recorded, and puts
// [Placeholder] in their place.
//
// What a secret is called (names.go) and what it looks like (shapes.go) stands
// in tables. A text is looked at as it stands and as it reads when it is
// decoded (layers.go): percent escapes, as often as there are some and also
// between broken ones, entities of HTML, escapes of JSON, characters that can't
// be seen. In each reading, names with values behind them are looked for, in
// the notations of queries, forms, JSON, GraphQL, XML, command lines and
// connection strings (pairs.go), and whatever gives itself away (scan.go,
// card.go).
//
// It fails closed. A value in which something is found is left out whole, text
// that is still encoded after [maxLayers] is taken for a secret, and what was
// not looked at because it is too long is not shown either.
package redact

import (
	"slices"
	"strings"

	"github.com/adminsessions/adminsessions/internal/memo"
)

// Placeholder stands where a secret was left out.
const Placeholder = "REDACTED"

// maxText is how much of a text is looked at, and shown at most.
const maxText = 4096

// Redactor finds secrets by the tables, and by what an operator adds to them.
// The zero Redactor has the tables only. It is not changed once it is in use.
type Redactor struct {
	hidden, shown map[string]bool // by fold
	all           bool
	paths         []PathPattern
	names         *memo.Map[string, when] // what is known of names as sent, or nil
}

// Bounds of what is remembered of names.
const (
	maxRemembered      = 512
	maxRememberedBytes = 48
)

// Remember makes the Redactor remember what it finds of names, for callers that
// meet the same ones again and again. Call it when nothing is added any more.
func (r *Redactor) Remember() { r.names = new(memo.Map[string, when]) }

// Hide adds names of secrets. "*" is every name of a query parameter.
func (r *Redactor) Hide(name string) {
	if name == "*" {
		r.all = true
		return
	}
	if r.hidden == nil {
		r.hidden = map[string]bool{}
	}
	r.hidden[fold(name)] = true
}

// Show takes out a name that only looks like a secret's.
func (r *Redactor) Show(name string) {
	if r.shown == nil {
		r.shown = map[string]bool{}
	}
	r.shown[fold(name)] = true
}

// HidePath adds a path in which segments are secrets.
func (r *Redactor) HidePath(p PathPattern) { r.paths = append(r.paths, p) }

// name says for which values a name, decoded, marks a secret.
func (r *Redactor) name(name string) when {
	if len(r.hidden) > 0 && r.hidden[fold(name)] {
		return always
	}
	w := rules.name(name)
	if w != never && len(r.shown) > 0 && r.shown[fold(name)] {
		return never
	}
	return w
}

// Name reports whether a name, which may be encoded, is that of a secret
// whatever the value.
func (r *Redactor) Name(name string) bool { return r.encodedName(name) == always }

// isProse reports of most notes and media types, cheaply, that nothing can be
// in them: short words, none of which is a scheme that credentials may follow.
func (r *Redactor) isProse(s string) bool {
	if len(s) > 200 {
		return false
	}
	start, digits, slash := 0, 0, false
	for i := range len(s) {
		c := s[i]
		switch {
		case c == ' ':
			if isScheme(s[start:i]) {
				return false
			}
			start = i + 1
			continue
		case c == '/' && len(r.paths) == 0 && i > start:
			start, slash = i+1, true
			continue
		case classes[c] == other && c != '.' && c != ',' && c != '-' || c >= 0x80 || i-start >= maxHarmless, c == '-' && i == start:
			return false
		case isDigit(c):
			digits++
		}
	}
	return digits < 13 && (!slash || digits == 0)
}

func isScheme(w string) bool {
	var lower [16]byte
	if len(w) < 3 || len(w) > len(lower) {
		return false
	}
	for i := range len(w) {
		lower[i] = w[i] | 0x20
	}
	return schemes[string(lower[:len(w)])] != 0
}

// HidesName reports whether a value is left out because of its name. The value
// may still hold a secret of its own.
func (r *Redactor) HidesName(name, value string) bool {
	return r.encodedName(name).hides(value[:min(len(value), maxText)])
}

// HidesValue reports whether the value of a name, both as sent, is left out.
func (r *Redactor) HidesValue(name, value string) bool {
	if r.HidesName(name, value) {
		return true
	}
	return r.Value(value)
}

// encodedName is name for one that may be encoded.
func (r *Redactor) encodedName(name string) when {
	if r.names == nil || len(name) > maxRememberedBytes {
		return r.decodedName(name)
	}
	w, ok := r.names.Load(name)
	if !ok {
		w = r.decodedName(name)
		r.names.Store(strings.Clone(name), w, maxRemembered) // not all of the query that it stands in
	}
	return w
}

func (r *Redactor) decodedName(name string) when {
	if featuresOf(name)&hasEscape == 0 {
		return r.name(name)
	}
	strongest := never
	endless := layers(name, func(decoded string) bool {
		if w := r.name(decoded); w != never && (strongest == never || w < strongest) {
			strongest = w
		}
		return false
	})
	if endless {
		return always
	}
	return strongest
}

// hides reports whether a value is left out whose name says w.
func (w when) hides(value string) bool {
	if value == "" || w == never {
		return false
	}
	if w == always {
		return true
	}
	value = strings.TrimSpace(strings.ReplaceAll(decodeAll(value), "+", " "))
	switch w {
	case unlessTold:
		return !isTold(value)
	case unlessFlag:
		return !isFlag(value)
	case unlessPlain:
		return !isPlain(value)
	case unlessPlainID:
		return !isPlain(value) && !isUUID(value)
	default:
		return isRandom(value)
	}
}

// Value reports whether a text holds a secret.
func (r *Redactor) Value(s string) bool { return r.holds(s, 0) }

// holds is Value for a text of which more is known.
func (r *Redactor) holds(s string, m mode) bool {
	if isHarmless(s) || r.isProse(s) {
		return false
	}
	if len(s) > maxText {
		s, m = s[:maxText], m|mayGoOn
	}
	return layers(s, func(text string) bool {
		return r.scan(text, m, func(int, int) bool { return true })
	})
}

// maxHarmless is the length up to which a text of letters and digits can't be
// a secret that gives itself away.
const maxHarmless = 11

// isHarmless reports of most short values, cheaply, that nothing can be in
// them.
func isHarmless(s string) bool {
	if len(s) > maxHarmless {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '-' && c != '_' && c != '.' && c != ',' {
			return false
		}
	}
	return true
}

// Text returns a text without the secrets in it.
func (r *Redactor) Text(s string) string { return r.clear(s, 0) }

func (r *Redactor) clear(s string, m mode) string {
	if isHarmless(s) || r.isProse(s) {
		return s
	}
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	for range 3 { // what is found may have hidden more
		if !r.holds(s, m) {
			return s
		}
		before := s
		if s = r.withoutFound(s, m); s == before {
			break
		}
	}
	// What can be seen only when it is decoded takes the word it is in along.
	words := strings.SplitAfter(s, " ")
	for i, w := range words {
		if bare := strings.TrimRight(w, " "); r.holds(bare, m) {
			words[i] = Placeholder + w[len(bare):]
		}
	}
	if s = strings.Join(words, ""); r.holds(s, m) {
		return Placeholder
	}
	return s
}

// withoutFound replaces what is found in a text as it stands.
func (r *Redactor) withoutFound(s string, m mode) string {
	var spans [][2]int
	r.scan(s, m, func(start, end int) bool {
		spans = append(spans, [2]int{start, end})
		return len(spans) == 64
	})
	if len(spans) == 0 {
		return s
	}
	slices.SortFunc(spans, func(a, b [2]int) int { return a[0] - b[0] })
	var b strings.Builder
	at := 0
	for _, span := range spans {
		if span[1] <= at {
			continue
		}
		if span[0] >= at {
			b.WriteString(s[at:span[0]])
			b.WriteString(Placeholder)
		}
		at = span[1]
	}
	b.WriteString(s[at:])
	return b.String()
}

// findPaths looks for paths that hold a secret: by the operator's patterns, and
// what stands behind "/reset/" and its like. Of the path of a request itself,
// only a URL within it is matched anywhere.
func (r *Redactor) findPaths(s string, m mode, f found) bool {
	for i := 0; i < len(s); i++ {
		if endsPath(s[i]) {
			continue
		}
		start := i
		for i < len(s) && !endsPath(s[i]) {
			i++
		}
		path := s[start:i]
		if !strings.ContainsAny(path, `/\`) {
			continue
		}
		at := func(from, to int) bool { return s[start+from:start+to] != Placeholder && f(start+from, start+to) }
		if r.linkSegments(path, at) {
			return true
		}
		if m&isPath != 0 {
			scheme := strings.Index(path, ":/")
			if scheme < 0 {
				continue
			}
			start += scheme + 1
			path = path[scheme+1:]
		}
		if hiddenSegments(r.paths, path, true, at) {
			return true
		}
	}
	return false
}

func endsPath(c byte) bool { return endsWord(c) || c == '?' || c == '#' }

// linkSegments calls f with segments that look like secrets and stand behind
// one that says that a secret follows.
func (r *Redactor) linkSegments(path string, f found) bool {
	before, link := "", 0 // link: how many segments may still be a link's secret
	for start := 0; start < len(path); {
		end := start
		for end < len(path) && path[end] != '/' {
			end++
		}
		segment := path[start:end]
		if before != "" {
			if r.announces(before) {
				link = 2 // /reset/MjM/…, /verify/7/…
			}
			if (link > 0 && isRandom(segment) || r.isGivenAway(before, segment)) && f(start, end) {
				return true
			}
		}
		if segment != "" {
			before = segment
			link--
		}
		start = end + 1
	}
	return false
}

// isGivenAway reports whether a segment, which need not look like a secret, is
// one by that before it: a password, a code to sign in with, the UUID in a link.
func (r *Redactor) isGivenAway(before, segment string) bool {
	segment = firstWord(segment)
	switch {
	case isMixed(segment):
		return r.Name(before)
	case isUUID(segment):
		return r.isOneOf(before, rules.mailed)
	case isCode(segment):
		return r.isOneOf(before, rules.codes)
	}
	return false
}

// isOneOf reports whether a segment is one of some words, or ends with one.
func (r *Redactor) isOneOf(segment string, words map[string]bool) bool {
	if isLowerWord(segment) {
		return words[segment]
	}
	segment = fold(decodeAll(segment))
	i := strings.LastIndexAny(segment, "-_.")
	return words[segment[i+1:]] || words[strings.ReplaceAll(strings.ReplaceAll(segment, "-", ""), "_", "")]
}

// firstWord is what stands before a blank that a form has made a plus.
func firstWord(s string) string {
	s, _, _ = strings.Cut(s, "+")
	return s
}

// announces reports whether a segment of a path says that a link sent by mail
// follows, or what is in one.
func (r *Redactor) announces(segment string) bool {
	segment = decodeAll(segment)
	if r.name(segment) == always {
		return true
	}
	for word := range strings.FieldsFuncSeq(fold(segment), func(c rune) bool { return c == '-' || c == '_' || c == '.' || c == ';' }) {
		if rules.linkNames[word] {
			return true
		}
	}
	return false
}
