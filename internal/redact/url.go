package redact

import (
	"slices"
	"strings"
)

// Limits of the work that one URL can make, and of what is shown of its parts.
const (
	maxPath    = 8 << 10 // bytes of a path as sent
	maxSegment = 255     // bytes of a segment, where the path is too long
	maxPairs   = 256     // pairs of a query
	maxKey     = 64      // bytes of a name, where the query is too long
	maxValue   = 1024    // bytes of a value, then
	minValue   = 8       // at least
	minLooked  = 512     // bytes of a pair that are looked at, at least
	maxOpen    = 4       // pairs over which a string goes on
)

// AppendURL appends path and query of a URL, both as sent, without their
// secrets and in their readable form, in room bytes at most. cut reports whether
// something is missing: long segments and long values are cut one by one, so
// that none hides what stands behind it.
func (r *Redactor) AppendURL(b []byte, path, query string, room int) (_ []byte, cut bool) {
	end := len(b) + room
	if query != "" {
		room -= min(3*len(query)+1, room/4) // an escape may have to be made of a byte
	}
	b, cut = r.appendPath(b, path, room)
	if query == "" {
		return b, cut
	}
	b = append(b, '?')
	b, cutToo := r.appendQuery(b, query, end-len(b))
	return b, cut || cutToo
}

// URL returns a URL that comes as text, from a header, without its secrets,
// user-info and fragment.
func (r *Redactor) URL(s string, limit int) (_ string, cut bool) {
	if len(s) > maxPath {
		s, cut = withoutEnd(s[:maxPath]), true
	}
	s, _, _ = strings.Cut(s, "#")
	s, query, _ := strings.Cut(s, "?")
	origin, path := "", s
	if i := strings.Index(s, "//"); i >= 0 {
		authority, rest := s[i+2:], ""
		if j := strings.IndexByte(authority, '/'); j >= 0 {
			authority, rest = authority[:j], authority[j:]
		}
		authority = authority[strings.LastIndexByte(authority, '@')+1:]
		origin, path = s[:i+2]+authority, rest
	}
	if len(origin) > limit/2 {
		origin, cut = origin[:limit/2], true
	}
	b, cutToo := r.AppendURL([]byte(origin), path, query, limit-len(origin))
	out := string(b)
	if r.Value(out) {
		out = r.Text(out)
	}
	return out, cut || cutToo
}

// appendPath appends an escaped path, in room bytes at most.
func (r *Redactor) appendPath(b []byte, path string, room int) (_ []byte, cut bool) {
	if len(path) <= room && r.isPlainPath(path) && !mayHide(r.paths, path) {
		return append(b, path...), false
	}
	if len(path) > maxPath {
		path, cut = withoutEnd(path[:maxPath]), true
	}
	var spans spanList
	hiddenSegments(r.paths, path, false, spans.add)
	r.linkSegments(path, spans.add)
	spans.sort()
	m := isPath
	if cut {
		m |= mayGoOn
	}
	suspicious := r.holds(path, m)
	limit := maxSegment
	if len(path) <= room {
		limit = len(path)
	}
	first, end := len(b), len(b)+room
	for start := 0; start < len(path); {
		stop := start
		for stop < len(path) && path[stop] != '/' {
			stop++
		}
		var cutToo bool
		switch segment := path[start:stop]; {
		case segment == "":
		case spans.covers(start, stop):
			b = append(b, Placeholder...)
		case suspicious:
			b, cutToo = r.appendSegment(b, segment, limit)
		default:
			b, cutToo = appendCut(b, segment, limit)
		}
		cut = cut || cutToo
		if stop < len(path) {
			b = append(b, '/')
		}
		start = stop + 1
		if len(b) > end {
			b, cut = withEllipsis(b, first, end), true
			break
		}
	}
	if suspicious {
		if rest := string(b[first:]); r.holds(rest, isPath) { // a secret with slashes in it
			b = append(b[:first], r.clear(rest, isPath)...)
		}
		if len(b) > end {
			b, cut = withEllipsis(b, first, end), true
		}
	}
	return b, cut
}

// appendSegment appends a segment of a path in which there may be a secret.
func (r *Redactor) appendSegment(b []byte, segment string, limit int) (_ []byte, cut bool) {
	if first, params, ok := strings.Cut(segment, ";"); ok {
		if first != "" {
			b, cut = r.appendSegment(b, first, limit)
		}
		for param := range strings.SplitSeq(params, ";") {
			var cutToo bool
			b, _, cutToo = r.appendPair(append(b, ';'), param, limit, false, false)
			cut = cut || cutToo
		}
		return b, cut
	}
	if !r.Value(segment) {
		return appendCut(b, segment, limit)
	}
	if i := strings.LastIndexByte(segment, '@'); i >= 0 && !r.Value(segment[i+1:]) {
		b = append(b, Placeholder...)
		return appendCut(b, segment[i:], limit)
	}
	if i := strings.IndexByte(segment, '='); i > 0 && !r.Value(segment[:i]) {
		b, cut = appendCut(b, segment[:i], limit)
		b = append(b, '=')
		return append(b, Placeholder...), cut
	}
	return append(b, Placeholder...), false
}

// isPlainPath reports of most paths, cheaply, that nothing can be in them:
// short segments, words, numbers and UUIDs.
func (r *Redactor) isPlainPath(path string) bool {
	start, digits, before := 0, 0, ""
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			c := path[i]
			if classes[c] == other && c != '-' && c != '_' && c != '.' || c >= 0x80 {
				return false
			}
			if isDigit(c) {
				digits++
			}
			continue
		}
		segment := path[start:i]
		switch {
		case segment == "":
			if i > 0 && i < len(path) {
				return false // other segments than these may be meant
			}
		case segment[0] == '.', segment[len(segment)-1] == '.',
			len(segment) > maxHarmless && !isPlainSegment(segment),
			digits > 0 && before != "" && r.isGivenAway(before, segment):
			return false
		}
		start, digits, before = i+1, 0, segment
	}
	return true
}

func isPlainSegment(s string) bool {
	if isUUID(s) {
		return true
	}
	digits, run := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case isLower(c):
			if run++; run > 20 {
				return false
			}
		case isDigit(c):
			digits++
		case c == '-', c == '_':
			run = 0
		default:
			return false
		}
	}
	return (digits == 0 || digits == len(s) && digits < 13) && !findShapes(s, func(int, int) bool { return true })
}

// spanList keeps what was found.
type spanList [][2]int

func (l *spanList) add(start, end int) bool {
	if n := len(*l); n > 0 && (*l)[n-1][0] <= start && end <= (*l)[n-1][1] {
		return false
	}
	*l = append(*l, [2]int{start, end})
	return false
}

// sort puts the list in order, for covers.
func (l spanList) sort() { slices.SortFunc(l, func(a, b [2]int) int { return a[0] - b[0] }) }

// covers reports whether something in the list meets start to end. It must be
// asked in order: it takes off what lies before.
func (l *spanList) covers(start, end int) bool {
	for len(*l) > 0 && (*l)[0][1] <= start {
		*l = (*l)[1:]
	}
	for _, s := range *l {
		if s[0] >= end {
			return false
		}
		if start < s[1] {
			return true
		}
	}
	return false
}
